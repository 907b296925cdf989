-- What the tests read SQL against: as `pg_dump --schema-only` would write it, without what policies do not ask about.

create table customers (
    id      integer primary key,
    name    text not null,
    email   text not null unique,
    ssn     text not null,
    card    text not null,
    country text not null,
    joined  date not null
);

create table orders (
    id          integer primary key,
    customer_id integer not null references customers,
    placed_at   timestamptz not null,
    status      text not null,
    total       numeric(10, 2) not null
);

create table reasoning_traces (
    trace_id text not null,
    branch   text not null,
    step     integer not null,
    thought  text not null,
    score    real,
    primary key (trace_id, branch, step)
);

-- A table that nobody was given.
create table payroll (
    employee text not null,
    salary   numeric not null
);

-- What an application keeps beside its users.
create table accounts (
    login         text primary key,
    password_hash text not null,
    api_key       text
);
