"""The import of the fund's register.

importing.py  the import, top to bottom: read, compare, write
file.py       bytes to lines to fields
row.py        fields to a checked row
stage.py      the temporary tables in between, so that memory stays flat
write.py      the one transaction that changes the register
"""

from .file import BadFile
from .importing import Summary
from .importing import import_file
from .write import Overtaken

__all__ = ["BadFile", "Overtaken", "Summary", "import_file"]
