//! What an engine's error means. The HTTP status decides where it can; where an engine gives one status to many conditions,
//! its text decides. No other file matches texts of engines.

use crate::EngineError;

impl EngineError {
    /// The object of the request does not exist.
    pub fn is_missing(&self) -> bool {
        self.status() == Some(404)
    }

    /// The object is in the requested state already.
    pub fn is_unchanged(&self) -> bool {
        self.status() == Some(304)
    }

    /// Another object has the name.
    pub fn is_name_taken(&self) -> bool {
        self.status() == Some(409) && self.says_any(&["already exists", "already in use"])
    }

    /// The container is being removed on behalf of another request.
    pub fn is_removal_in_progress(&self) -> bool {
        self.status() == Some(409) && self.says("already in progress")
    }

    /// Containers are attached to the network that was to be removed.
    pub fn is_network_in_use(&self) -> bool {
        matches!(self.status(), Some(403 | 409)) && self.says("active endpoints")
    }

    /// The network of a new container was removed.
    pub fn is_network_gone(&self) -> bool {
        self.is_refused() && self.says("network") && self.says("not found")
    }

    /// Several networks have the requested name.
    pub fn is_ambiguous_network(&self) -> bool {
        self.is_refused() && self.says("network") && self.says("is ambiguous")
    }

    /// The requested address is in no subnet of the network: a network of the same name with another subnet replaced it.
    pub fn is_outside_subnet(&self) -> bool {
        self.is_refused()
            && self.says_any(&["no configured subnet", "does not belong to any of this network's subnets"])
    }

    /// Another container has the requested address.
    pub fn is_address_taken(&self) -> bool {
        self.says("address already in use") && !self.is_port_taken()
    }

    /// Another process has the requested port of the engine's host. The last text is Docker Desktop's.
    pub fn is_port_taken(&self) -> bool {
        self.says_any(&[
            "port is already allocated",
            "bind for",
            "bind: address already in use",
            "ports are not available",
        ])
    }

    /// The capability that the engine cannot give to a container. Engines that do not name it fail in runc; it is the one that
    /// containers are denied most often.
    pub fn refused_capability(&self) -> Option<&str> {
        if self.says("unable to apply caps") {
            return Some("SYS_RESOURCE");
        }
        let (_, rest) = self.message()?.split_once("invalid CapAdd")?;
        let (_, named) = rest.split_once("\"CAP_")?;
        named.split_once('"').map(|(name, _)| name)
    }

    /// The disk of the engine's host is full.
    pub fn is_disk_full(&self) -> bool {
        self.says("no space left on device")
    }

    /// A command of an image build failed. Its output came before this error.
    pub fn is_failed_build_command(&self) -> bool {
        matches!(self, Self::Failed { .. }) && self.says("returned a non-zero code")
    }

    /// The managers of the swarm have no leader, or the node is not connected to one. The last text is that of an engine
    /// whose swarm is starting.
    pub fn is_lost_leader(&self) -> bool {
        self.status().is_some_and(|status| status >= 500)
            && self.says_any(&[
                "does not have a leader",
                "context deadline exceeded",
                "deadlineexceeded",
                "raft: ",
                "swarm/control.sock",
            ])
    }

    /// The node is a manager still, and can only be removed after a demotion.
    pub fn is_raft_member(&self) -> bool {
        self.is_refused() && self.says("is a member of the raft cluster")
    }

    /// Another request changed the object since it was read.
    pub fn is_out_of_sequence(&self) -> bool {
        self.is_refused() && self.says("update out of sequence")
    }

    /// The engine accepted the request and did not answer in time.
    pub fn is_unanswered(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }

    /// There is no connection to the engine, or it broke.
    pub fn is_disconnected(&self) -> bool {
        matches!(
            self,
            Self::Dial { .. } | Self::DialTimeout { .. } | Self::Socket { .. } | Self::Broken { .. }
        )
    }

    fn is_refused(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// The engine's own text.
    fn message(&self) -> Option<&str> {
        match self {
            Self::Refused { message, .. } | Self::Failed { message, .. } => Some(message),
            _ => None,
        }
    }

    fn says(&self, words: &str) -> bool {
        self.says_any(&[words])
    }

    /// `words` are in lower case, because engines of several ages differ in theirs.
    fn says_any(&self, words: &[&str]) -> bool {
        let Some(message) = self.message() else { return false };
        let message = message.to_ascii_lowercase();
        words.iter().any(|words| message.contains(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, message: &str) -> EngineError {
        EngineError::Refused { status, message: message.into(), path: "/x".into() }
    }

    /// Texts that engines sent, with the conditions that they mean.
    fn captured() -> Vec<(&'static str, EngineError)> {
        vec![
            ("missing", refused(404, "No such container: nosuch")),
            ("missing", refused(404, "service nosuch not found")),
            ("missing", refused(404, "no such image: nosuch: No such image: nosuch:latest")),
            ("unchanged", refused(304, "")),
            ("name taken", refused(409, "network with name net already exists")),
            (
                "name taken",
                refused(
                    409,
                    "Conflict. The container name \"/c1\" is already in use by container \"0068b2077794\". You have to \
                     remove (or rename) that container to be able to reuse that name.",
                ),
            ),
            ("name taken", refused(409, "rpc error: code = AlreadyExists desc = config k already exists")),
            ("removal in progress", refused(409, "removal of container r1 is already in progress")),
            (
                "network in use",
                refused(
                    403,
                    "error while removing network: network sub id 5c6a640341bd has active endpoints",
                ),
            ),
            ("missing, network gone", refused(404, "network nosuch not found")),
            (
                "network gone",
                refused(
                    500,
                    "Could not attach to network amb: rpc error: code = NotFound desc = network amb not found",
                ),
            ),
            ("ambiguous network", refused(400, "6 matches found based on name: network amb is ambiguous")),
            ("ambiguous network", refused(400, "network amb is ambiguous (6 matches found based on name)")),
            (
                "outside subnet",
                refused(
                    400,
                    "invalid endpoint settings: no configured subnet contains IP address 172.18.0.2",
                ),
            ),
            (
                "outside subnet",
                refused(500, "Invalid address 10.1.7.9: It does not belong to any of this network's subnets"),
            ),
            ("address taken", refused(403, "Address already in use")),
            (
                "port taken",
                refused(
                    500,
                    "driver failed programming external connectivity on endpoint r5 (8911e0ae90b3): Bind for \
                     127.0.0.1:28399 failed: port is already allocated",
                ),
            ),
            (
                "port taken",
                refused(
                    500,
                    "driver failed programming external connectivity on endpoint r6 (e7c4bc35ad94): Error starting \
                     userland proxy: listen tcp4 127.0.0.1:28398: bind: address already in use",
                ),
            ),
            ("refused capability", refused(400, "invalid CapAdd: unknown capability: \"CAP_NOSUCH\"")),
            (
                "refused capability",
                refused(
                    400,
                    "OCI runtime create failed: unable to apply caps: operation not permitted: unknown",
                ),
            ),
            (
                "disk full",
                EngineError::Failed {
                    message: "write /usr/x: no space left on device".into(),
                    path: "/images/create".into(),
                },
            ),
            (
                "failed build command",
                EngineError::Failed {
                    message: "The command '/bin/sh -c sh /setup.sh' returned a non-zero code: 100".into(),
                    path: "/build".into(),
                },
            ),
            (
                "lost leader",
                refused(
                    500,
                    "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few \
                     managers are online. Make sure more than half of the managers are online.",
                ),
            ),
            (
                "lost leader",
                refused(500, "rpc error: code = DeadlineExceeded desc = context deadline exceeded"),
            ),
            (
                "raft member",
                refused(
                    400,
                    "rpc error: code = FailedPrecondition desc = node tcq4ntarsruhk7etsuatytbiq is a cluster manager \
                     and is a member of the raft cluster. It must be demoted to worker before removal",
                ),
            ),
            ("out of sequence", refused(500, "rpc error: code = Unknown desc = update out of sequence")),
            ("unanswered", EngineError::Timeout { what: "/nodes".into() }),
            ("disconnected", EngineError::DialTimeout { what: "dial tcp 192.0.2.1:2376".into() }),
            (
                "disconnected",
                EngineError::Socket { path: "/s".into(), source: std::io::ErrorKind::NotFound.into() },
            ),
            // Each resembles a condition and is none of them.
            ("", refused(503, "This node is not a swarm manager. Use \"docker swarm init\" and try again.")),
            (
                "",
                refused(409, "You cannot remove a running container 3581813071f7. Stop the container first"),
            ),
            ("", refused(400, "exec: \"/bin/x\": stat /bin/x: no such file or directory: unknown")),
            ("", refused(400, "file not found")),
            ("", refused(400, "raft: no leader")),
            ("", refused(500, "config k already exists")),
            ("", refused(500, "removal of container r1 is already in progress")),
            ("", refused(500, "network sub has active endpoints")),
            ("", refused(400, "a build command returned a non-zero code: 1")),
            (
                "disconnected",
                EngineError::Broken {
                    path: "/nodes".into(),
                    source: "context deadline exceeded, no space left on device".into(),
                },
            ),
        ]
    }

    #[test]
    fn captured_errors_mean_exactly_their_conditions() {
        for (expected, error) in captured() {
            let conditions = [
                ("missing", error.is_missing()),
                ("unchanged", error.is_unchanged()),
                ("name taken", error.is_name_taken()),
                ("removal in progress", error.is_removal_in_progress()),
                ("network in use", error.is_network_in_use()),
                ("network gone", error.is_network_gone()),
                ("ambiguous network", error.is_ambiguous_network()),
                ("outside subnet", error.is_outside_subnet()),
                ("address taken", error.is_address_taken()),
                ("port taken", error.is_port_taken()),
                ("refused capability", error.refused_capability().is_some()),
                ("disk full", error.is_disk_full()),
                ("failed build command", error.is_failed_build_command()),
                ("lost leader", error.is_lost_leader()),
                ("raft member", error.is_raft_member()),
                ("out of sequence", error.is_out_of_sequence()),
                ("unanswered", error.is_unanswered()),
                ("disconnected", error.is_disconnected()),
            ];
            let meant: Vec<_> =
                conditions.into_iter().filter(|(_, holds)| *holds).map(|(name, _)| name).collect();
            assert_eq!(meant.join(", "), expected, "{error}");
        }
    }

    #[test]
    fn refused_capability_is_named() {
        let named = "invalid CapAdd: capability not supported by your kernel or not available in the current \
                     environment: \"CAP_SYS_TIME\"";
        assert_eq!(refused(400, named).refused_capability(), Some("SYS_TIME"));
        let unnamed = "OCI runtime create failed: unable to apply caps: operation not permitted: unknown";
        assert_eq!(refused(400, unnamed).refused_capability(), Some("SYS_RESOURCE"));
    }
}
