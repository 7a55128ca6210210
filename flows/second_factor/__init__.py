"""The pages of second factors, as steps that several flows put into their order.

`choose` → `prepare` → `confirm` enrol one, `methods` → `verify` ask for one. Each is told by its flow whose it is.
"""

from .choose import Choose
from .confirm import Confirm
from .methods import Methods
from .prepare import Prepare
from .verify import Verify

__all__ = ["Choose", "Confirm", "Methods", "Prepare", "Verify"]
