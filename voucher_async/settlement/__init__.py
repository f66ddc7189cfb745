"""Calls that move money: sent, finished whatever happens, and settled when their answer is lost.

`rules` decides, `looking` reads, `engine` drives both, `desk` keeps calls alive when their callers are gone.
"""

from voucher_async.settlement.case import Case, Flow
from voucher_async.settlement.desk import Desk
from voucher_async.settlement.engine import Engine
from voucher_async.settlement.sender import Sender

__all__ = ["Case", "Desk", "Engine", "Flow", "Sender"]
