//! A machine as it was at some moment, kept at its provider.

use rmachine_driver::{DriverError, MachineName, Snapshot, State, require};

use crate::machines::Machines;
use crate::model::Failure;

impl Machines {
    pub(crate) async fn snapshot(&self, machine: &MachineName, name: &str) -> Result<Snapshot, Failure> {
        let (lock, mut loaded) = self.lock_and_load(machine).await?;
        self.step(machine, &format!("Taking the snapshot {name:?} of \"{machine}\"..."));
        let mut taken = None;
        let done = self
            .with_driver(&lock, &mut loaded, async |driver, handle| {
                taken = Some(require(driver, driver.snapshots())?.take_snapshot(handle, name).await?);
                Ok(())
            })
            .await;
        self.reporter.finish(machine, done.is_ok());
        done?;
        taken.ok_or_else(|| Failure::new(format!("no snapshot {name:?} was taken")))
    }

    pub(crate) async fn snapshots(&self, machine: &MachineName) -> Result<Vec<Snapshot>, Failure> {
        let machine = self.load(machine)?;
        let driver = machine.driver()?;
        let snapshots = require(driver.as_ref(), driver.snapshots())?;
        Ok(snapshots.list_snapshots(&machine.view()).await?)
    }

    /// The machine runs again if it ran before.
    pub(crate) async fn restore(&self, machine: &MachineName, name: &str) -> Result<(), Failure> {
        let (lock, mut loaded) = self.lock_and_load(machine).await?;
        self.step(machine, &format!("Bringing \"{machine}\" back to {name:?}..."));
        let done = async {
            let before = self.state(&loaded).await?;
            self.with_driver(&lock, &mut loaded, async |driver, handle| {
                require(driver, driver.snapshots())?.restore_snapshot(handle, name).await
            })
            .await?;
            if before == State::Running {
                self.await_state(&loaded, State::Running).await?;
                self.await_host(&lock, &mut loaded).await?;
            }
            Ok(())
        }
        .await;
        self.reporter.finish(machine, done.is_ok());
        done
    }

    pub(crate) async fn remove_snapshot(&self, machine: &MachineName, name: &str) -> Result<(), Failure> {
        let (lock, mut loaded) = self.lock_and_load(machine).await?;
        self.with_driver(&lock, &mut loaded, async |driver, handle| {
            match require(driver, driver.snapshots())?.remove_snapshot(handle, name).await? {
                true => Ok(()),
                false => Err(DriverError::invalid(format!("\"{machine}\" has no snapshot called {name:?}"))),
            }
        })
        .await
    }
}
