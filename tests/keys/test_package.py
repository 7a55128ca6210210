"""The floor the house stands on: it can be used without a web framework or a database."""

import subprocess
import sys


def test_keys_know_neither_flask_nor_sql() -> None:
    code = "import sys, keys; print({name.partition('.')[0] for name in sys.modules} & {'flask', 'sqlalchemy', 'idp'})"

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "set()"
