"""Files of vouchers: the CSV of the Admin UI's import, and JSON lines.

`load_vouchers` checks a whole file before anything is sent, `read_vouchers` gives it line by line, and
`VoucherWriter` writes vouchers as they are issued, each one once, however often the run is killed.

    specs = load_vouchers("cards.csv")
    with VoucherWriter("issued.csv") as out:
        for spec in specs:
            out.write(await client.vouchers.create(...))

Both forms hold codes, which are as good as money: files are made for their owner alone (mode 0600).

The CSV has 14 columns, the header `CSV_HEADER`, semicolons, and each value in quotes. Values are data for an
import, not for a spreadsheet: a code that begins with `=`, `+`, `-` or `@` is written as it is, so open such
a file in a spreadsheet only as text. `order_number` and `data` are no columns of it; JSON lines have all
fields.
"""

from voucher_async.voucher_files.formatting import CSV_HEADER, csv_line, json_line
from voucher_async.voucher_files.problems import InvalidVoucherFile, LineError
from voucher_async.voucher_files.reading import VoucherLine, load_vouchers, read_vouchers
from voucher_async.voucher_files.writing import VoucherWriter

__all__ = [
    "CSV_HEADER",
    "InvalidVoucherFile",
    "LineError",
    "VoucherLine",
    "VoucherWriter",
    "csv_line",
    "json_line",
    "load_vouchers",
    "read_vouchers",
]
