//! VirtualBox's refusals in words that help.

use rmachine_driver::{DriverError, DriverErrorKind};

use crate::manage::Refusal;

/// What VirtualBox says, what it means, and what to do about it.
const KNOWN: &[(&[&str], DriverErrorKind, &str, &str)] = &[
    (
        &["VERR_VMX_NO_VMX", "VERR_SVM_NO_SVM"],
        DriverErrorKind::Unsupported,
        "this computer's processor has no VT-x or AMD-V, or is a virtual machine's without nested virtualisation",
        "give that virtual machine nested virtualisation, or use the driver docker",
    ),
    (
        &["VERR_VMX_MSR_ALL_VMX_DISABLED", "VERR_VMX_MSR_VMX_DISABLED", "VERR_SVM_DISABLED"],
        DriverErrorKind::Unsupported,
        "VT-x or AMD-V is switched off in this computer's firmware",
        "switch it on in the BIOS or UEFI setup",
    ),
    (
        &["VERR_VMX_IN_VMX_ROOT_MODE", "VERR_SVM_IN_USE"],
        DriverErrorKind::Unsupported,
        "another program has VT-x or AMD-V for itself, like KVM or Hyper-V",
        "on Linux, where no virtual machine of KVM's runs: sudo modprobe -r kvm_intel kvm_amd",
    ),
    (
        &[
            "Kernel driver not installed",
            "VERR_VM_DRIVER_NOT_INSTALLED",
            "terminated unexpectedly during startup",
            "VERR_SUP_DRIVERLESS",
            "suplibOsInit",
        ],
        DriverErrorKind::Unsupported,
        "VirtualBox's kernel module is not loaded",
        "sudo modprobe vboxdrv, or after a new kernel: sudo /sbin/vboxconfig (Debian, Ubuntu: sudo apt-get install \
         --reinstall virtualbox-dkms)",
    ),
    (
        &["VERR_VM_DRIVER_VERSION_MISMATCH"],
        DriverErrorKind::Unsupported,
        "VirtualBox's kernel module is of another version than VirtualBox itself",
        "restart this computer, or rebuild the module: sudo /sbin/vboxconfig",
    ),
    (
        &["VERR_DISK_FULL", "No space left on device", "VERR_VD_BLOCK_FULL"],
        DriverErrorKind::Provider,
        "the disk is full",
        "free some space and try again; `df -h` shows where there is none",
    ),
    (
        &["failed to open /dev/vboxnetctl"],
        DriverErrorKind::Unsupported,
        "a host-only adapter cannot be made: the kernel module vboxnetadp is not loaded",
        "sudo modprobe vboxnetadp, or leave the adapter out: --virtualbox-nat-only",
    ),
    (
        &["VERR_NO_MEMORY", "VERR_NO_LOW_MEMORY"],
        DriverErrorKind::Provider,
        "this computer has not enough free memory for the machine",
        "give the machine less with --virtualbox-memory",
    ),
    (
        &["The object functionality is limited"],
        DriverErrorKind::Missing,
        "the files of the machine are gone, and VirtualBox still has it in its list",
        "`rm` with the machine's name takes it off there as well",
    ),
    (
        &["Unsupported compression type", "unsupported incompatible features", "VERR_VD_QCOW"],
        DriverErrorKind::Invalid,
        "VirtualBox cannot read this form of qcow2",
        "qemu-img convert -O qcow2 -o compression_type=zlib OLD NEW makes one that it can",
    ),
];

fn explain(refusal: &Refusal) -> DriverError {
    let known = KNOWN.iter().find(|(said, ..)| said.iter().any(|text| refusal.has(text)));
    let (kind, message, hint) = match known {
        Some((_, kind, meaning, hint)) => (*kind, format!("{meaning} ({})", brief(refusal)), Some(*hint)),
        None if refusal.is_missing() => (DriverErrorKind::Missing, brief(refusal), None),
        None => (DriverErrorKind::Provider, brief(refusal), None),
    };
    let mut error = DriverError::new(kind, message);
    error.hints.extend(hint.map(str::to_owned).into_iter().chain(refusal.hints.clone()));
    error
}

/// In one line, without what only VirtualBox's authors read.
fn brief(refusal: &Refusal) -> String {
    let lines: Vec<&str> = refusal.said.lines().filter(|l| !l.starts_with("Details:")).collect();
    format!("VBoxManage {} failed: {}", refusal.verb, lines.join("; "))
}

impl From<Refusal> for DriverError {
    fn from(refusal: Refusal) -> Self {
        explain(&refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer;

    fn told(stderr: &str) -> DriverError {
        explain(&Refusal { verb: "startvm".into(), said: answer::errors(stderr), hints: Vec::new() })
    }

    #[test]
    fn known_refusals_say_what_to_do() {
        let error = told(
            "VBoxManage: error: The virtual machine 'dm1' has terminated unexpectedly during startup with exit code 1 \
             (0x1)\nVBoxManage: error: Details: code NS_ERROR_FAILURE (0x80004005), component MachineWrap\n",
        );
        assert_eq!(
            error.message,
            "VirtualBox's kernel module is not loaded (VBoxManage startvm failed: The virtual machine 'dm1' has \
             terminated unexpectedly during startup with exit code 1 (0x1))"
        );
        assert!(error.hints[0].contains("modprobe vboxdrv"));
        let error = told("VBoxManage: error: AMD-V is disabled in the BIOS (VERR_SVM_DISABLED)\n");
        assert!(error.message.contains("switched off"), "{error}");
    }

    #[test]
    fn others_are_told_as_they_are() {
        let error =
            told("VBoxManage: error: Invalid frontend name: 'bogus'\nVBoxManage: error: Context: \"x\"\n");
        assert_eq!(error.to_string(), "VBoxManage startvm failed: Invalid frontend name: 'bogus'");
        assert!(error.hints.is_empty());
    }
}
