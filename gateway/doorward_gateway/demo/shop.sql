-- A small shop's warehouse: what the demo's people, jobs and agents reach for.
-- Every card number passes the check digit and belongs to no issuer's customers; every number and address is made up.

create table customers (
    id         integer generated always as identity primary key,
    name       text not null,
    email      text not null unique,
    ssn        text not null,
    card       text not null,
    country    text not null,
    joined     date not null
);

create table orders (
    id          integer generated always as identity primary key,
    customer_id integer not null references customers,
    placed_at   timestamptz not null,
    status      text not null check (status in ('open', 'paid', 'shipped', 'returned')),
    total       numeric(10, 2) not null
);

create table reasoning_traces (
    trace_id  text not null,
    branch    text not null,
    step      integer not null,
    thought   text not null,
    score     real,
    primary key (trace_id, branch, step)
);

insert into customers (name, email, ssn, card, country, joined) values
    ('Ada Okafor',      'ada.okafor@example.org',    '536-22-8841', '4556 7375 8689 9855', 'NG', '2021-03-14'),
    ('Bruno Keller',    'bruno.keller@example.org',  '219-09-9999', '4024 0071 6153 0182', 'DE', '2020-11-02'),
    ('Chiara Fontana',  'chiara.f@example.org',      '457-55-5462', '5425 2334 3010 9903', 'IT', '2022-06-21'),
    ('Daniel Moreau',   'd.moreau@example.org',      '078-05-1120', '2222 4200 0000 1113', 'FR', '2019-01-30'),
    ('Esther Lindqvist','esther.l@example.org',      '341-66-7723', '3759 8765 4321 004',  'SE', '2023-09-08'),
    ('Farid Nasser',    'farid.nasser@example.org',  '602-14-3355', '6011 1111 1111 1117', 'LB', '2022-12-12');

insert into orders (customer_id, placed_at, status, total)
select 1 + (n * 7) % 6,
       timestamptz '2026-01-01 09:00+00' + n * interval '5 hours 17 minutes',
       (array['open', 'paid', 'shipped', 'returned'])[1 + (n * 7 + n / 5) % 4],
       round((19.9 + (n * 37) % 480)::numeric, 2)
from generate_series(1, 240) as n;

insert into reasoning_traces (trace_id, branch, step, thought, score)
select 'tot-' || t, (array['a', 'b', 'c'])[1 + s % 3], s,
       'consider whether order ' || (t * 10 + s) || ' should be refunded', round((random() * 100)::numeric) / 100
from generate_series(41, 43) as t, generate_series(1, 12) as s;

-- The accounts that the gateway keeps for itself; no person, job or agent ever sees their passwords.
create role reader login password :'reader_password';
create role importer login password :'importer_password';
create role maintainer login password :'maintainer_password';

grant select on customers, orders, reasoning_traces to reader;
grant select, insert, update on orders to importer;
-- Each of these owns what it could destroy: what stops them in the demo is the policy, not a missing privilege.
alter table orders owner to importer;
grant all on orders, customers, reasoning_traces to maintainer;
alter table customers owner to maintainer;
alter table reasoning_traces owner to maintainer;
