"""`.env.example` names exactly the variables that the settings read."""

import re
import subprocess
import sys

from config import environment

READ = """
from config import environment

text = environment.text

def recorded(name, default=""):
    print(name)
    return text(name, default)

environment.text = recorded
import config.settings
"""


def test_it_lists_every_variable_when_the_settings_read_it(tmp_path):
    example = (environment.ROOT / ".env.example").read_text()
    listed = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=", example, re.MULTILINE)

    read = subprocess.run(
        [sys.executable, "-c", READ],
        cwd=environment.ROOT,
        env={"ASSENT_VAR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert sorted(listed) == sorted(set(read.stdout.split()))
