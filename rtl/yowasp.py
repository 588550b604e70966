"""Diagnosis of a YoWASP tool that fails to start because its cache of compiled WebAssembly is not writable."""

import os
import tempfile
from pathlib import Path

import platformdirs

__all__ = ["cache_problem"]


def cache_problem(tool: str, output: str) -> str | None:
    """Explain the failure of a YoWASP tool, if its cache may be the cause.

    Parameters
    ----------
    tool : str
        Command that was run, a name or a path.
    output : str
        Its output: a Python traceback if it failed before the tool itself ran.

    Returns
    -------
    str or None
        One line that names the folder and the fix; None if the cause is something else.
    """
    name = Path(tool).name
    if not name.startswith("yowasp-") or "Traceback" not in output:
        return None
    # The folder that yowasp_runtime uses.
    default = platformdirs.user_cache_dir("YoWASP", appauthor=False)
    folder = Path(os.environ.get("YOWASP_CACHE_DIR", default))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return (
            f"{name} caches its compiled code in {str(folder)!r}, which is not writable ({error.strerror}); set "
            "YOWASP_CACHE_DIR to a writable folder"
        )
