"""The store: what may expire.

Sessions, interactions, authorization codes, pushed requests, access tokens, used `jti`s and per-address limits. All of
it has a lifetime, and losing all of it costs people one more sign-in and nothing else. `sql.py` is the embedded store
(a table of the application's database), `redis.py` the large one; one contract (`contract.py`), whose tests run against
both.
"""

from ..settings import BadSetting
from ..settings import Settings
from .contract import AlreadyTaken
from .contract import Store
from .contract import StoreUnavailable
from .contract import Value
from .sql import SqlStore

__all__ = ["AlreadyTaken", "SqlStore", "Store", "StoreUnavailable", "Value", "open_store"]


def open_store(settings: Settings) -> Store:
    """The store of these settings; connects when first asked."""
    if not settings.redis_url:
        return SqlStore()
    from .redis import RedisStore  # a fifteenth of the time in which a command starts

    try:
        return RedisStore(settings.redis_url)
    except ValueError as error:
        raise BadSetting(f"The provider cannot start.\n  IDP_REDIS_URL: {error}.") from None
