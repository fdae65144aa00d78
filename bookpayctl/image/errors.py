"""Why there is no image, in terms the command understands."""

from __future__ import annotations

from bookpayctl.report.exit_code import ExitCode


class ImageError(RuntimeError):
    """The image could not be made; the message says what and why. No archive was written.

    Attributes:
        code: the exit code it means.
        reason: slug for programs.
        fix: what to do next, when one thing helps.
    """

    def __init__(
        self,
        message: str,
        *,
        code: ExitCode = ExitCode.USAGE,
        reason: str = "image_inputs",
        fix: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.fix = fix
