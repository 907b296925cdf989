-- The tables that tests and `--catalogue` read SQL against; `pg_dump --schema-only` writes such a file.
create table customers (
    id    integer primary key,
    name  text not null,
    email text not null,
    ssn   text not null
);

create table orders (
    id       integer primary key,
    customer integer not null references customers,
    total    numeric(10, 2) not null
);
