"""What the server's ledger says of the calls of a world."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from tests.settlement.ends import payment_of
from tests.settlement.looks import may_be_taken_for
from tests.settlement.play import Call, World
from tests.settlement.story import Redeem, Refund
from voucher_async.outcomes import PendingOutcome
from voucher_async.payments.joined import is_joined
from voucher_async.testing import ChargeRecord

__all__ = ["Ledger"]


@attrs.define(eq=False)
class Ledger:
    """The charges, recharges and refunds of a world, by the calls whose requests have made them."""

    world: World

    def _charge(self, id: str) -> ChargeRecord:
        return self.world.adversary.emulator._engine.state.charges[id]

    def _effects(self, pending_id: str) -> list[ChargeRecord]:
        return [self._charge(id) for id in self.world.adversary.effects.get(pending_id, ())]

    def _made_by(self, call: Call) -> list[ChargeRecord]:
        """What the call itself did, refunds of its own charges left aside."""
        wanted = "refund" if isinstance(call.step, Refund) else None
        made = [charge for id in call.intents for charge in self._effects(id)]
        return [charge for charge in made if wanted or charge.type != "refund"]

    def _undone(self, charge: ChargeRecord) -> bool:
        """Whether the SDK took a charge back of its own accord."""
        refunds = [
            entry
            for id, call in self.world.caller.items()
            if not isinstance(call.step, Refund)
            for entry in self._effects(id)
            if entry.refund_of == charge.id
        ]
        return bool(refunds) and sum(refund.amount for refund in refunds) == charge.amount

    def _standing(self, call: Call) -> list[ChargeRecord]:
        return [charge for charge in self._made_by(call) if not self._undone(charge)]

    def _twins(self, *pending_ids: str) -> set[str]:
        """What a proxy made of one request of another call more than once: it looks like these calls' own."""
        made = [self._effects(id) for id in self.world.caller if self._deliveries > 1]
        twins = {each.id for effects in made if len(effects) > 1 for each in effects}
        asked = [self.world.saved[each] for each in pending_ids if each in self.world.saved]
        return {id for each in asked for id in twins if may_be_taken_for(each, self._charge(id))}

    def _made_or_twins(self, asked: PendingOutcome, said: Collection[str]) -> list[ChargeRecord]:
        """What a request did, and what was said of it which is another's twin: nobody can tell them apart."""
        made = self._effects(asked.id)
        twins = self._twins(asked.id).intersection(said) - {each.id for each in made}
        return made + [self._charge(id) for id in sorted(twins)]

    def _sources(self, call: Call) -> list[ChargeRecord]:
        """What a call may return: its own, or that of an equal payment it joined, or that told nobody."""
        made = self._made_by(call)
        for other in self._equal_before(call):
            if other.result is None or is_joined(call.result):
                made += self._made_by(other)
        return made

    def _equal_before(self, call: Call) -> list[Call]:
        if not isinstance(call.step, Redeem):
            return []
        return [
            other
            for other in self.world.calls[: self.world.calls.index(call)]
            if isinstance(other.step, Redeem)
            and other.process is call.process
            and payment_of(other.step) == payment_of(call.step)
        ]

    @property
    def _deliveries(self) -> int:
        """How often a proxy delivers one request that the SDK sends once."""
        mesh = self.world.adversary.emulator.habits.deliver_twice
        return mesh.times if mesh else 1

    def _is_twin(self, pending_id: str, told: set[str]) -> bool:
        """Whether nobody can know what a request did beside what was told: a proxy has made more of it."""
        return self._deliveries > 1 and any(each.id in told for each in self._effects(pending_id))
