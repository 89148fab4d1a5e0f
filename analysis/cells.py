"""Cells that no spreadsheet runs as a formula, and back. PURE."""

# What a formula may start with, in full width too; and the apostrophe, so that one in front of a
# cell was always put there by `harmless`.
FORMULA = tuple("=+-@\t\r\n＝＋－＠'")


def harmless(text: str) -> str:
    """The text, behind an apostrophe where a spreadsheet might run it."""
    return f"'{text}" if text.startswith(FORMULA) else text


def original(cell: str) -> str:
    """What `harmless` was given; a cell that it never wrote is left as it is."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell
