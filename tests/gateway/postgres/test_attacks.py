"""What an attacker who may write, but not see, will try. Whatever happens, no canary may be seen."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

CANARIES = (
    "536-22-8841",
    "219-09-9999",
    "ada@example.org",
    "bruno@example.org",
    "4556737586899855",
    "900000",
)

# One line, one attack: statements of one session, each sent alone, over both protocols.
ATTACKS = [
    ["create table loot as select ssn from customers", "select * from loot"],
    ["select ssn into loot from customers", "table loot"],
    ["create table loot (x text)", "insert into loot select ssn from customers", "select * from loot"],
    ["update customers set name = ssn", "select name from customers"],
    ["update customers set name = 'x' returning ssn || ''"],
    ["insert into customers (id, name) select 70 + id, ssn from customers", "select name from customers"],
    ["create view loot as select ssn || '' as x from customers", "select x from loot"],
    ["create temp view loot as select email as x from customers", "select x from loot"],
    ["create temp table customers (ssn text)", "insert into customers select ssn from public.customers", "table customers"],
    ["create function loot() returns setof text language sql as 'select ssn from customers'", "select loot()"],
    ["create function loot(customers) returns text language sql as 'select $1.ssn'", "select loot(c) from customers c"],
    ["do $$ declare r text; begin select ssn into r from customers where id = 1; raise notice '%', r; end $$"],
    ["do $$ declare r text; begin select ssn into r from customers where id = 1; raise exception '%', r; end $$"],
    ["select set_config('x.loot', ssn, false) from customers", "show x.loot", "select current_setting('x.loot')"],
    ["select pg_notify('loot', ssn) from customers"],
    ["select lo_from_bytea(0, ssn::bytea) from customers", "select lo_get(oid) from pg_largeobject_metadata"],
    ["select query_to_xml('select ssn from customers', true, true, '')"],
    ["select table_to_xml('customers', true, true, '')"],
    ["select database_to_xml(true, true, '')"],
    ["select ts_stat('select to_tsvector(ssn) from customers')"],
    ["explain analyze select * from customers where ssn = '536-22-8841' or email like 'ada%'"],
    ["select most_common_vals from pg_stats where tablename = 'customers'"],
    ["analyze customers", "select most_common_vals::text, histogram_bounds::text from pg_stats where tablename = 'customers'"],
    ["copy customers to program 'cat >/dev/null'"],
    ["copy customers to '/tmp/doorward-loot'"],
    ["prepare loot as select ssn || '' from customers", "execute loot"],
    ["declare loot cursor with hold for select ssn || '' from customers", "fetch all from loot"],
    ["begin", "declare loot cursor for select ssn || '' from customers", "fetch all from loot", "rollback"],
    ["alter table customers rename column ssn to harmless", "select harmless from customers"],
    ["alter table customers rename to harmless", "select ssn from harmless"],
    ["alter table customers add column loot text generated always as (ssn) stored", "select loot from customers"],
    ["create table loot (x text) inherits (customers)", "select * from customers"],
    ["set search_path = pg_catalog", "select ssn from public.customers"],
    ["set standard_conforming_strings = off", "select '\\', ssn from customers --' from orders"],
    ["set client_encoding = 'SJIS'", "select ssn from customers"],
    ["set role postgres", "select ssn from customers"],
    ["select U&\"\\0073sn\" from customers"],
    ["select \"ssn\" from \"customers\""],
    ["select ssn from only customers tablesample system (100)"],
    ["select (c).ssn from customers c"],
    ["select (c.*)::text from customers c"],
    ["select (select max(ssn) from customers), 1"],
    ["select jsonb_agg(c) from customers c"],
    ["select format('%s', ssn) from customers"],
    ["select * from customers natural join (select ssn from customers) x"],
    ["select x.* from customers, unnest(array[ssn]) x"],
    ["select * from json_each_text((select row_to_json(c) from customers c limit 1))"],
    ["with x as (update customers set name = name returning ssn) select ssn || '' from x"],
    ["merge into customers c using customers d on c.id = d.id when matched then update set name = d.ssn"],
    ["select ssn from customers where id = 1 union select 'x' order by 1"],
    ["values ((select ssn from customers where id = 1))"],
    ["table customers"],
    ["select ssn collate \"C\" from customers"],
    ["select ssn::varchar(3)::text || ssn::text from customers"],
    ["select 1/0 from customers where ssn is not null"],
    ["select cast(ssn as int) from customers"],
    ["select exists(select 1 from customers where ssn = '536-22-8841')"],
    ["select ssn = '536-22-8841' from customers"],
    ["select * from customers order by ssn"],
    ["select count(*) from customers group by ssn"],
]  # fmt: skip


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack[0][:40])
def test_no_canary_is_seen(shop: Any, attack: list[str], extended: bool) -> None:
    seen: list[str] = []
    with shop.connect("mallory") as connection:
        connection.add_notice_handler(
            lambda diag: seen.append(f"{diag.message_primary} {diag.message_detail}")
        )
        connection.add_notify_handler(lambda notify: seen.append(notify.payload))
        for statement in attack:
            try:
                cursor = connection.execute(statement, prepare=extended, binary=extended)
                if cursor.description is not None:
                    seen += map(repr, cursor.fetchall())
            except psycopg.Error as error:
                seen.append(str(error))
            if connection.closed:
                break
    for canary in CANARIES:
        shown = [text for text in seen if canary in text and "syntax error" not in text]
        assert not shown
    shop.server.psql(
        "drop table if exists loot cascade; drop view if exists loot; drop function if exists loot();"
        "delete from customers where id > 3;"
        "update customers set name = (array['Ada', 'Bruno', 'Chloe'])[id]"
    )


def test_no_canary_is_in_the_answers_of_the_record(shop: Any) -> None:
    results = [str(record["body"]) for record in shop.records("result")]
    assert results
    for canary in CANARIES:
        assert not [body for body in results if canary in body]
