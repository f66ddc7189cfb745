"""Probing a server: each assumption of the SDK is tried on it, and confirmed, refuted or left unknown."""

from voucher_async.cli.probing.bench import new_batch
from voucher_async.cli.probing.findings import Finding, Question, Remains, Report, Verdict
from voucher_async.cli.probing.running import check_host, probe
from voucher_async.cli.probing.table import QUESTIONS

__all__ = [
    "QUESTIONS",
    "Finding",
    "Question",
    "Remains",
    "Report",
    "Verdict",
    "check_host",
    "new_batch",
    "probe",
]
