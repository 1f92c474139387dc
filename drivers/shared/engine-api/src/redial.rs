//! How a client opens its connection again after an engine closed it.

use std::error::Error;
use std::fmt;
use std::io;

use futures_util::future::{BoxFuture, FutureExt};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::EngineError;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

type Opened = Result<Box<dyn Stream>, EngineError>;

/// Opens another stream to the same engine. It owns all that it needs, such as an SSH session.
pub struct Redial(Box<dyn Fn() -> BoxFuture<'static, Opened> + Send + Sync>);

impl Redial {
    pub fn new<F, O, S>(open: F) -> Self
    where
        F: Fn() -> O + Send + Sync + 'static,
        O: Future<Output = Result<S, EngineError>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self(Box::new(move || {
            let opening = open();
            async move { Ok(Box::new(opening.await?) as Box<dyn Stream>) }.boxed()
        }))
    }

    pub(crate) async fn open(&self) -> Opened {
        (self.0)().await
    }
}

impl fmt::Debug for Redial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redial")
    }
}

/// Whether a request failed because the connection ended before an answer began.
pub(crate) fn is_lost_connection(error: &hyper::Error) -> bool {
    let closed = error.is_closed() || error.is_canceled() || error.is_incomplete_message();
    let broken = error.source().and_then(|e| e.downcast_ref::<io::Error>()).is_some_and(|e| {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        matches!(e.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
    });
    closed || broken
}
