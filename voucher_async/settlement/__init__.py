"""Money calls: sent, finished whatever happens, and settled when their answer is lost.

`looking` reads, `judging` decides by the rules of `voucher_async.payments`, `engine` drives both, `desk`
keeps calls alive when their callers are gone.
"""

from voucher_async.settlement.case import Case, Flow
from voucher_async.settlement.desk import Desk
from voucher_async.settlement.engine import Engine
from voucher_async.settlement.joining import Ask, Joining, Work
from voucher_async.settlement.sender import Sender

__all__ = ["Ask", "Case", "Desk", "Engine", "Flow", "Joining", "Sender", "Work"]
