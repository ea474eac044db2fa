"""Capture anew what Envoys of each mesh's naming style report: `python -m scripts.capture [STYLE ...]`."""

import asyncio
import sys
import tempfile
from pathlib import Path

from telemetry.demo.binaries import envoy_binary
from tests.captures.capture import capture
from tests.captures.recording import write
from tests.captures.styles import FOLDER, STYLES


def main() -> None:
    """Capture the styles named, else all; goldens stay, and the tests say what changed."""
    for style in sys.argv[1:] or STYLES:
        with tempfile.TemporaryDirectory() as folder:
            messages = asyncio.run(capture(STYLES[style], envoy_binary(), Path(folder)))
        file = FOLDER / f"{style}.als.gz"
        write(file, messages)
        print(f"{file}: {len(STYLES[style])} entries, {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
