"""What is dropped at once of a database that is deleted: no more than the server has locks for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from activities.mongo import LOCKS_AT_ONCE, LOCKS_OF_A_TABLE, drop_statement, table_batches

TABLES = st.lists(st.tuples(st.text(max_size=5), st.integers(min_value=0, max_value=2000)))


@given(TABLES)
def test_every_table_is_dropped_once_and_in_order(tables: list[tuple[str, int]]) -> None:
    assert [name for batch in table_batches(tables) for name in batch] == [
        name for name, _ in tables
    ]


@given(st.lists(st.integers(min_value=0, max_value=2000)))
def test_a_batch_takes_no_more_locks_than_it_may(indexes: list[int]) -> None:
    for batch in table_batches((str(number), count) for number, count in enumerate(indexes)):
        locks = sum(LOCKS_OF_A_TABLE + indexes[int(name)] for name in batch)
        assert len(batch) == 1 or locks <= LOCKS_AT_ONCE
        assert batch


def test_plain_collections_go_a_hundred_at_a_time() -> None:
    sizes = [len(batch) for batch in table_batches((str(number), 1) for number in range(250))]
    assert sizes == [100, 100, 50]


def test_no_name_of_a_table_ends_the_statement() -> None:
    statement = drop_statement("db_7", ["notes_1", 'x"; DROP SCHEMA db_8; --', "50%_{}"])
    assert statement.as_string(None) == (
        'DROP TABLE IF EXISTS "db_7"."notes_1", "db_7"."x""; DROP SCHEMA db_8; --",'
        ' "db_7"."50%_{}" CASCADE'
    )
