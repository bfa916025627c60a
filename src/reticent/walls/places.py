"""Where a Python program's own files lie: what the courier must be able to read to run at all."""

import os
import sys
import sysconfig
from pathlib import Path


def of_python() -> tuple[Path, ...]:
    """The interpreter's library, the installed packages, this package's source and the system's shared libraries.

    Never a whole prefix: where that is a home folder or `/usr/local`, it holds more than Python.
    """
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    schemes = [sysconfig.get_path(name) for name in names]
    base = [sysconfig.get_path(name, vars={"base": sys.base_prefix, "platbase": sys.base_prefix}) for name in names[:2]]
    libraries = [str(Path(sys.base_prefix) / "lib"), "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo"]
    package = str(Path(__file__).resolve().parent.parent)
    packages = [entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    found = dict.fromkeys([*schemes, *packages, *base, *libraries, package, sys.executable, f"{sys.prefix}/pyvenv.cfg"])
    return tuple(Path(path) for path in found if path and Path(path).exists())


def of_the_system(*, names: bool) -> tuple[Path, ...]:
    """The machine's settings that C libraries read. names: host names are looked up, so the resolver's too."""
    settings = ["ld.so.cache", "localtime", "passwd", "nsswitch.conf", "locale.alias"]
    resolver = ["resolv.conf", "hosts", "host.conf", "gai.conf", "services", "protocols"]
    files = [f"/etc/{name}" for name in settings + (resolver if names else [])]
    devices = ["/dev/null", "/dev/urandom", "/dev/random"]
    processors = ["/sys/devices/system/cpu", f"/proc/{os.getpid()}", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat"]
    openssl = ["/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf", "/etc/crypto-policies", "/usr/local/ssl/openssl.cnf"]
    resolved = ["/run/systemd/resolve"] if names else []
    found = dict.fromkeys([*files, *devices, *processors, *openssl, *resolved])
    return tuple(Path(path) for path in found if path and Path(path).exists())
