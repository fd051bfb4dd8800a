"""Writing the descriptions of jobs in ADL, and the script that a job runs.

A-REX passes the arguments of a job to a shell that interprets them once more, and drops line
breaks. So a script is sent as base64 in an argument that means the same to every shell. A script
that is too long for an argument is uploaded as a file after the job was accepted.
"""

import shlex
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from worker.backends import grace
from worker.backends.arc.names import job_name
from worker.backends.arc.options import ArcOptions
from worker.backends.option_types import FILE_VARIABLE, URL_VARIABLE
from worker.domain.ce_answers import Order

OUTPUT = "pilot.out"
"""The file in a job's folder with its standard output and error."""

SCRIPT = ".pilot.sh"
"""The file in a job's folder with the script that it runs."""

SECRET_FILE = ".pilotage-secret"  # noqa: S105 - the name of its file

LONGEST_ARGUMENT = 96 * 1024
"""The longest script in an argument, as base64: the kernel's limit for one word is 128 KiB, and our
line around the script needs some of it."""

LARGEST_BODY = 8 * 2**20
"""The most bytes of descriptions in one request."""

_ADL = "http://www.eu-emi.eu/es/2010/12/adl"
_NORDUGRID = "http://www.nordugrid.org/es/2011/12/nordugrid-adl"


@dataclass(frozen=True, kw_only=True)
class Description:
    """The description of one job, and the file to upload for it, if any."""

    order: Order
    xml: bytes
    upload: bytes | None = None


def describe(
    order: Order, ce: str, prefix: str, options: ArcOptions, delegation: str | None = None
) -> Description:
    """Describe the job of a pilot; `ValueError` if its payload cannot be written into a script."""
    script = program(order, options).encode(errors="surrogatepass")
    packed = b64encode(script).decode()
    # A secret must not be in an argument: everybody on the node can read the list of processes.
    must_upload = order.secret is not None or len(packed) > LONGEST_ARGUMENT
    upload = script if must_upload else None
    words = ["/bin/sh", SCRIPT] if upload else ["/bin/sh", "-c", _unpack(packed)]
    environment = {
        **options.environment,
        "PILOTAGE_VO": order.vo,
        "PILOTAGE_CE": ce,
        "PILOTAGE_STAMP": order.stamp,
        **({} if order.url is None else {URL_VARIABLE: order.url}),
    }
    root = ET.Element("ActivityDescription", {"xmlns": _ADL, "xmlns:nordugrid-adl": _NORDUGRID})
    _text(ET.SubElement(root, "ActivityIdentification"), "Name", job_name(prefix, order.stamp, ce))
    _application(ET.SubElement(root, "Application"), words, environment)
    _resources(ET.SubElement(root, "Resources"), options)
    _staging(ET.SubElement(root, "DataStaging"), delegation, has_upload=upload is not None)
    return Description(order=order, xml=ET.tostring(root), upload=upload)


def program(order: Order, options: ArcOptions) -> str:
    """Return the script for /bin/sh that a job runs."""
    return _own_secret(order) + _run(order, options)


def _own_secret(order: Order) -> str:
    """Return the lines that put the secret into a file which only the pilot's user can read.

    The lines also make the script, which contains the secret, unreadable for other users.
    """
    if order.secret is None:
        return ""
    return (
        f"(umask 077 && cat >{SECRET_FILE}) <<'END' || exit 126\n{order.secret}\nEND\n"
        f"chmod 600 {SCRIPT}\n{FILE_VARIABLE}=$PWD/{SECRET_FILE}\nexport {FILE_VARIABLE}\n"
    )


def _run(order: Order, options: ArcOptions) -> str:
    if order.script is None:
        if isinstance(options.command, str):
            return options.command
        return f"exec {shlex.join(options.command)}\n"
    arguments = shlex.join(order.arguments)
    if "\0" in order.script + arguments:
        raise ValueError("the payload holds a zero byte")
    # A payload with a first line `#!` may be in any language; without one it is run by sh.
    start = "./pilot" if order.script.startswith("#!") else "/bin/sh ./pilot"
    packed = b64encode(order.script.encode(errors="surrogatepass")).decode()
    unpacked = f"base64 -d >pilot <<'END' || exit 126\n{packed}\nEND\nchmod 700 pilot || exit 126\n"
    if order.grace is None:
        return f"{unpacked}exec {start} {arguments}\n"
    after = grace.before(options.walltime, order.grace)
    ending = grace.named('"$PWD"') + grace.run(f"{start} {arguments}", after=after)
    return f'{unpacked}{ending}exit "$code"\n'


def bodies(
    descriptions: Sequence[Description], most: int
) -> Iterator[tuple[list[Description], bytes]]:
    """Group descriptions into requests that are not too large."""
    some: list[Description] = []
    size = 0
    for one in descriptions:
        if some and (len(some) >= most or size + len(one.xml) > LARGEST_BODY):
            yield some, _body(some)
            some, size = [], 0
        some.append(one)
        size += len(one.xml)
    if some:
        yield some, _body(some)


def _body(descriptions: Iterable[Description]) -> bytes:
    listed = b"".join(one.xml for one in descriptions)
    return b"<ActivityDescriptions>" + listed + b"</ActivityDescriptions>"


def _unpack(packed: str) -> str:
    # No dollar, quote or backslash is in it: so a second shell reads the same words.
    return f"echo {packed}|base64 -d>{SCRIPT}&&exec /bin/sh {SCRIPT}"


def _application(parent: ET.Element, words: Sequence[str], environment: dict[str, str]) -> None:
    executable = ET.SubElement(parent, "Executable")
    _text(executable, "Path", words[0])
    for word in words[1:]:
        _text(executable, "Argument", word)
    _text(parent, "Output", OUTPUT)
    _text(parent, "Error", OUTPUT)
    for name, value in environment.items():
        variable = ET.SubElement(parent, "Environment")
        _text(variable, "Name", name)
        _text(variable, "Value", value)


def _resources(parent: ET.Element, options: ArcOptions) -> None:
    for environment in options.runtime_environments:
        _text(ET.SubElement(parent, "RuntimeEnvironment"), "Name", environment)
    if options.cores > 1:
        slots = ET.SubElement(parent, "SlotRequirement")
        _text(slots, "NumberOfSlots", str(options.cores))
        _text(slots, "SlotsPerHost", str(options.cores))
    if options.memory is not None:
        _text(parent, "IndividualPhysicalMemory", str(options.memory * 2**20))
    if options.walltime is not None:
        _text(parent, "WallTime", str(options.walltime))
    if options.queue is not None:
        _text(parent, "QueueName", options.queue)


def _staging(parent: ET.Element, delegation: str | None, *, has_upload: bool) -> None:
    if delegation is not None:
        _text(parent, "nordugrid-adl:DelegationID", delegation)
    if has_upload:
        _text(ET.SubElement(parent, "InputFile"), "Name", SCRIPT)
    _text(ET.SubElement(parent, "OutputFile"), "Name", OUTPUT)


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text
