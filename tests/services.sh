#!/usr/bin/env bash
# Tests marked "services" again, on each server that answers on loopback.
set -eu
cd "$(dirname "$0")/.."
BIN=${BIN:-.venv/bin}
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
again() { echo "== services: $1"; OMP_NUM_THREADS=1 "$BIN/python" -m pytest -q -m services tests; }

if answers 5432; then
  DATABASE_URL=${TEST_POSTGRES_URL:-postgres://postgres@127.0.0.1:5432/postgres} again PostgreSQL
else
  echo "== services: PostgreSQL does not answer on 5432, skipped"
fi
if answers 6379; then
  BROKER_URL=redis://127.0.0.1:6379/9 again Redis
else
  echo "== services: Redis does not answer on 6379, skipped"
fi
if answers 5672; then
  BROKER_URL=amqp://guest:guest@127.0.0.1:5672// again RabbitMQ
else
  echo "== services: RabbitMQ does not answer on 5672, skipped"
fi
