"""Lets Debian's VBoxHeadless run machines in VirtualBox's own interpreter, without a kernel module.

VirtualBox has that mode, and its window offers it (--driverless --execute-all-in-iem); VBoxHeadless has no such option. Its
main() is SUPR3HardenedMain("VBoxHeadless", 0, ...): the 0 becomes 0x300, which is what the two options set. Nothing else is
touched. Idempotent.
"""

import os
import re
import struct
import sys

path = sys.argv[1]
old = bytearray(open(path, "rb").read())
# mov rcx,rsi; mov r8,rdx; xor esi,esi; mov edx,edi; lea rdi,[rip+d]; jmp
found = list(re.finditer(rb"\x48\x89\xf1\x49\x89\xd0\x31\xf6\x89\xfa\x48\x8d\x3d(....)\xe9(....)", bytes(old), re.S))
if not found and b"\x48\x89\xf1\x49\x89\xd0\xbe\x00\x03\x00\x00\x89\xfa" in old:
    sys.exit(0)
if len(found) != 1:
    sys.exit("VBoxHeadless is built otherwise than this knows: %d places look like its main()" % len(found))
at = found[0].start()
lea, jmp = (struct.unpack("<i", part)[0] for part in found[0].groups())
new = b"\x48\x89\xf1\x49\x89\xd0\xbe\x00\x03\x00\x00\x89\xfa\x48\x8d\x3d" + struct.pack("<i", lea - 3)
new += b"\xe9" + struct.pack("<i", jmp - 3)
# What is pushed out is padding between functions.
padding = bytes(old[at + 22 : at + len(new)])
if padding not in (b"\x66\x2e\x0f", b"\x2e\x66\x0f", b"\x0f\x1f\x40", b"\x66\x66\x2e", b"\x90\x90\x90"):
    sys.exit("no room for the change: " + padding.hex())
old[at : at + len(new)] = new
mode = os.stat(path).st_mode & 0o7777
with open(path + ".new", "wb") as file:
    file.write(old)
os.chmod(path + ".new", mode)
os.replace(path + ".new", path)
