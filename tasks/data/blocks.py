"""How much of a text file pyarrow is to read at a time: it keeps 32 blocks ahead, and a row must fit into one.

block_size(Path("MRPC/train.tsv"))             ->  262144
block_size(Path("reviews.csv"), quoted=True)   ->  twice its longest row, whose text may hold line ends
"""

from pathlib import Path

USUAL = 256 << 10  # bytes
LONGEST = 8 << 20  # bytes; so long a row is read, one of twice as much is not


def block_size(path: Path, quoted: bool = False) -> int:
    """Bytes, enough for every row. Of a quoted file a row ends at the first line end outside of quotes."""
    longest = length = 0
    inside = False
    with path.open("rb") as file:
        while line := file.readline(LONGEST):
            length += len(line)
            inside ^= quoted and line.count(b'"') % 2 == 1
            longest = max(longest, length)
            length = length if inside and length < LONGEST else 0
    return max(USUAL, 2 * longest)
