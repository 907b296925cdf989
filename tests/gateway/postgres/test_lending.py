"""A role for one session: made when it begins, gone when it ends, whatever ends it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from tests.support.gateway import Shop, open_shop

ROLES = """
create role doorward_admin login createrole password 'admin-secret';
create role app_rw nologin;
grant all on all tables in schema public to app_rw;
grant create on schema public to app_rw;
grant app_rw to doorward_admin with admin option;
grant pg_signal_backend to doorward_admin;
create role doorward_0123456789ab_0123456789abcdef login valid until '2020-01-01' in role app_rw;
create role doorward_0123456789ab_fedcba9876543210 login valid until '2120-01-01' in role app_rw;
create role doorward_old login valid until '2020-01-01';
grant doorward_0123456789ab_0123456789abcdef to doorward_admin with admin option;
"""

LENT = "select rolname from pg_roles where rolname ~ '^doorward_[0-9a-f]{12}_' order by 1"
FOREIGN = ["doorward_0123456789ab_fedcba9876543210"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    root = tmp_path_factory.mktemp("lending")
    (root / "admin.password").write_text("admin-secret")
    opened = open_shop(root)
    try:
        opened.server.psql(ROLES)
        upstream = {
            "host": opened.server.host,
            "port": opened.server.port,
            "database": "postgres",
            "user": opened.server.superuser,
            "password_file": "upstream.password",
            "roles": {"writer": {"user": "app_rw"}},
            "admin": {"user": "doorward_admin", "password_file": "admin.password"},
        }
        opened.kill("gateway")
        opened.options["resources"] = {
            "shop": {"kind": "postgres", "environment": "test", "upstream": upstream}
        }
        policy = (root / "policies" / "shop.ward").read_text()
        opened.put_in_force(
            "shop.ward",
            policy.replace("credential ttl 10m if", 'credential ttl 10m as "writer" if'),
        )
        opened.start_gateway()
        yield opened
    finally:
        opened.stop()


def lent(shop: Shop) -> list[str]:
    return shop.server.psql(LENT).split()


def nothing_left(shop: Shop) -> None:
    shop.until("the roles are gone", lambda: lent(shop) == FOREIGN)


def test_what_has_expired_is_swept_and_what_is_not_ours_is_left(shop: Shop) -> None:
    nothing_left(shop)
    assert shop.server.psql("select count(*) from pg_roles where rolname = 'doorward_old'").strip() == "1"


def test_a_session_has_a_role_of_its_own_and_acts_as_the_decided_one(shop: Shop) -> None:
    with shop.connect("wes") as one, shop.connect("carl") as other:
        names = set()
        for connection in (one, other):
            row: Any = connection.execute("select session_user, current_user").fetchone()
            names.add(row[0])
            assert row[1] == "app_rw"
        assert names == set(lent(shop)) - set(FOREIGN)
        row = shop.server.psql(
            "select rolsuper, rolcreaterole, rolcreatedb, rolconnlimit, rolvaliduntil between now() and now() + interval '11 min'"
            f" from pg_roles where rolname = '{names.pop()}'"
        )
        assert row.strip() == "f|f|f|1|t"
    nothing_left(shop)


def test_what_a_session_makes_belongs_to_the_decided_role(shop: Shop) -> None:
    with shop.connect("wes") as connection:
        connection.execute("create table made (id int)")
        connection.execute("insert into made values (1)")
    nothing_left(shop)
    owner = "select tableowner from pg_tables where tablename = 'made'"
    assert shop.server.psql(owner).strip() == "app_rw"


def test_what_belongs_to_the_role_itself_is_left_to_the_decided_one(shop: Shop) -> None:
    with shop.connect("wes"):
        (name,) = set(lent(shop)) - set(FOREIGN)
        shop.server.psql(
            f'create table own (id int); alter table own owner to "{name}";'
            "create table theirs (id int); alter table theirs owner to app_rw;"
            f'set role app_rw; grant select on theirs to "{name}"'
        )
    nothing_left(shop)
    assert shop.server.psql("select tableowner from pg_tables where tablename = 'own'").strip() == "app_rw"


def test_a_session_that_is_killed_in_a_statement_leaves_no_role_and_no_backend(shop: Shop) -> None:
    with shop.connect("wes") as connection:
        session = shop.sessions("wes")[0]["id"]
        connection.execute("begin")
        connection.execute("update orders set total = 0 where id = 1")
        shop.end_session("wes", session)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    nothing_left(shop)
    assert shop.server.psql("select total from orders where id = 1").strip() == "1.50"


def test_a_gateway_that_was_killed_sweeps_up_when_it_is_back(shop: Shop) -> None:
    connection = shop.connect("wes", autocommit=False)
    try:
        connection.execute("update orders set total = 0 where id = 2")
        before = set(lent(shop)) - set(FOREIGN)
        assert len(before) == 1
        shop.kill("gateway", signal.SIGKILL)
        assert before <= set(lent(shop))
        shop.start_gateway()
        nothing_left(shop)
        assert shop.server.psql("select total from orders where id = 2").strip() == "3.00"
    finally:
        connection.close()


def test_a_role_cannot_be_lent_when_the_administrator_may_not(shop: Shop) -> None:
    shop.server.psql("alter role doorward_admin nologin")
    try:
        with pytest.raises(psycopg.OperationalError, match="cannot be reached"):
            shop.connect("wes").close()
    finally:
        shop.server.psql("alter role doorward_admin login")
    with shop.connect("wes") as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    nothing_left(shop)


def test_the_server_is_never_told_a_password(shop: Shop) -> None:
    shop.server.psql("alter system set log_statement = 'all'")
    shop.server.psql("select pg_reload_conf()")
    with shop.connect("wes"):
        (name,) = set(lent(shop)) - set(FOREIGN)
        stored = shop.server.psql(f"select rolpassword from pg_authid where rolname = '{name}'").strip()
        assert stored.startswith("SCRAM-SHA-256$4096:")
        # what was sent is what is stored: the server made nothing of a password
        logged = (shop.server.root / "log").read_text()
        assert stored in logged
    nothing_left(shop)
