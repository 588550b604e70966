"""Why a tool from WebAssembly does not start: it keeps itself compiled in a cache of its own, which it must write."""

import os
import tempfile
from pathlib import Path

import platformdirs

__all__ = ["cache_problem"]


def cache_problem(tool: str, output: str) -> str | None:
    """What is wrong with the cache of the YoWASP tools, if a failed one may have failed for that.

    Parameters
    ----------
    tool : str
        What was started.
    output : str
        What it said: a Python traceback, where it was not the tool itself that failed.

    Returns
    -------
    str or None
        One line that names the folder and the cure; None if it was something else.
    """
    name = Path(tool).name
    if not name.startswith("yowasp-") or "Traceback" not in output:
        return None
    # As yowasp_runtime finds it.
    default = platformdirs.user_cache_dir("YoWASP", appauthor=False)
    folder = Path(os.environ.get("YOWASP_CACHE_DIR", default))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return (
            f"{name} keeps itself compiled in {str(folder)!r}, which cannot be written ({error.strerror}); set "
            "YOWASP_CACHE_DIR to a folder that can"
        )
