"""The asyncio SDK of the JTL-Voucher Cloud API."""
