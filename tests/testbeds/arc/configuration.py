"""The files of a CE: its settings, and its own copy of the scripts of ARC.

The copy differs from ARC's in few things. The service listens on the loopback only, job
information is refreshed every second, and the scripts of the fork LRMS neither sleep for seconds
between their looks nor read the same settings again for each job. None of this can be set in
`arc.conf`.
"""

import re
import shutil
import subprocess
from pathlib import Path

from tests.testbeds.users import JOB_USER

DAEMONS = ("arex", "arex-ws")
REFRESH = 1
"""Seconds between two looks at all jobs; the answers of REST are as old as the last look."""

SETTINGS = """\
[common]
hostname=localhost
x509_host_key={folder}/pki/host.key
x509_host_cert={folder}/pki/host.pem
x509_cert_dir={folder}/pki/certificates
voms_processing=relaxed

[authgroup:certificates]
file={folder}/pki/subjects

[authgroup:tokens]
authtokens = * * * * *

[mapping]
map_to_user = certificates {user}:{user}
map_to_user = tokens {user}:{user}

[authtokens]

[lrms]
lrms=fork

[arex]
user=root
controldir={folder}/control
sessiondir={folder}/session
runtimedir={folder}/runtime
shared_filesystem=yes
logfile={folder}/log/arex.log
joblog={folder}/log/jobs.log
pidfile={folder}/run/arex.pid
tmpdir={folder}/tmp
helperlog={folder}/log/helpers.log
loglevel=3
wakeupperiod=1
maxjobs=20000 {running} 20000 -1 8
watchdog=no

[arex/ws]
wsurl=https://localhost:{port}/arex
logfile={folder}/log/ws.log
pidfile={folder}/run/arex-ws.pid

[arex/ws/jobs]
allowaccess=certificates
allowaccess=tokens

[infosys]
logfile={folder}/log/infosys.log

[infosys/glue2]

[infosys/cluster]

[queue:fork]
"""

PARSED_ONCE = """\
#!/bin/sh
# Reads a part of the settings once, and afterwards tells what was read.
kept="{folder}/run/parsed.$(echo "$*" | md5sum | cut -c1-32)"
[ -e "$kept" ] || { /usr/lib/arc/arcconfig-parser "$@" >"$kept.$$" && mv "$kept.$$" "$kept"; }
cat "$kept"
"""

EDITS = {
    "arc-arex-start": [(r"<arex:gmconfig>", "{refresh}<arex:gmconfig>")],
    "arc-arex-ws-start": [
        (r"<tcp:Listen>", "<tcp:Listen><tcp:Interface>127.0.0.1</tcp:Interface>"),
        (r"<arex:gmconfig>", "{refresh}<arex:gmconfig>"),
    ],
    "lrms_common.sh": [(r"\$pkglibexecdir/arcconfig-parser", "$pkgdatadir/parsed-once")],
    "scan-fork-job": [(r"^sleep 10$", 'sleep 0.5; exec "$0" --config "$ARC_CONFIG" "$@"')],
    "cancel-fork-job": [(r"sleep 5$", "sleep 0.5")],
    "submit-fork-job": [(r"sleep 1$", "sleep 0.1")],
}


def configure(folder: Path, scripts: Path, port: int, most: int = 500) -> None:
    """Write all files into the folder."""
    for name in ("run", "log", "control", "session", "runtime", "tmp"):
        (folder / name).mkdir()
    folder.chmod(0o755)
    (folder / "tmp").chmod(0o1777)
    subjects(folder).write_text("")
    settings = SETTINGS.format(folder=folder, user=JOB_USER, port=port, running=most)
    (folder / "arc.conf").write_text(settings, encoding="utf-8")
    _copy_scripts(scripts, folder / "root")
    # Without this file ARC computes one for minutes.
    generate = [
        "openssl",
        "genpkey",
        "-genparam",
        "-algorithm",
        "DH",
        "-pkeyopt",
        "group:ffdhe2048",
    ]
    subprocess.run(
        [*generate, "-out", str(folder / "control" / "dhparam.pem")],
        check=True,
        capture_output=True,
    )


def subjects(folder: Path) -> Path:
    """Return the file with the subjects of the users that the CE accepts."""
    return folder / "pki" / "subjects"


def _copy_scripts(scripts: Path, root: Path) -> None:
    shutil.copytree(scripts, root / "share" / "arc", symlinks=True)
    for name in ("bin", "sbin", "lib", "libexec"):
        (root / name).symlink_to(Path("/usr") / name)
    period = f"<arex:InfoproviderWakeupPeriod>{REFRESH}</arex:InfoproviderWakeupPeriod>"
    for name, edits in EDITS.items():
        script = root / "share" / "arc" / name
        text = script.read_text(encoding="utf-8")
        for old, new in edits:
            text, count = re.subn(old, new.format(refresh=period), text, flags=re.MULTILINE)
            if not count:
                raise LookupError(f"{name} is not as expected: it has no {old!r}")
        script.write_text(text, encoding="utf-8")
    once = root / "share" / "arc" / "parsed-once"
    once.write_text(PARSED_ONCE.replace("{folder}", str(root.parent)), encoding="utf-8")
    once.chmod(0o755)
