"""Money calls: sent, finished whatever happens, and settled when their answer is lost.

`machine` says what is legal for a call, `evidence` what a list of charges proves of it; both are pure.
`settle` sends, looks and decides; `supervisor` keeps calls alive when their callers are gone; `joining` gives
each idempotency key one call; `journal` is the store of their records. `docs/settlement.md` has the theory.
"""
