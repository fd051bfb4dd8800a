"""Groups of form fields that the pages of CEs and of VOs share."""

from worker.web.console.forms import LENGTH, FormField, FormGroup

NEVER = "never cancelled"


def _timeout(name: str, label: str, example: str) -> FormField:
    hint = f"Like {example}. Empty: {NEVER}."
    return FormField(name, label, LENGTH, hint, nothing=NEVER)


TIMEOUTS = FormGroup(
    "timeouts",
    "Time-outs",
    (
        _timeout("wait_at_most", "Wait at most", "2h"),
        _timeout("run_at_most", "Run at most", "3d"),
        _timeout("silent_at_most", "Silent at most", "6h"),
    ),
)
