# SPDX-License-Identifier: Apache-2.0
"""Where the programs under test are: build/release, or the build folder that PETREL_BUILD names."""
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PETREL_BUILD", ROOT / "build" / "release"))
