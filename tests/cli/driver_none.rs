//! The driver `none`: the commands that it refuses.

use insta::assert_snapshot;

use super::harness::Sandbox;

#[test]
fn none_driver_refuses_unsupported_commands() {
    let lab = Sandbox::new();
    lab.create_none("x");
    assert_snapshot!(lab.run("start x"), @r#"
    exit 1
    --- stdout
    Starting "x"...
    --- stderr
    Machine "x" is already running.
    "#);
    assert_snapshot!(lab.run("stop x"), @r#"
    exit 1
    --- stdout
    Stopping "x"...
    --- stderr
    hosts without a driver cannot be stopped
    "#);
    assert_snapshot!(lab.run("restart x"), @r#"
    exit 1
    --- stdout
    Restarting "x"...
    --- stderr
    hosts without a driver cannot be restarted
    "#);
    assert_snapshot!(lab.run("kill x"), @r#"
    exit 1
    --- stdout
    Killing "x"...
    --- stderr
    hosts without a driver cannot be killed
    "#);
    assert_snapshot!(lab.run("provision x"), @r#"
    exit 1
    --- stderr
    Docker machine "x" has no host to provision: the driver "none" only keeps a URL
    "#);
    assert_snapshot!(lab.run("ssh x id"), @r#"
    exit 1
    --- stderr
    Docker machine "x" has no host that answers SSH
    Hint: one that is only a URL is reached with `env`; one that was not finished, with `create --resume`
    "#);
}
