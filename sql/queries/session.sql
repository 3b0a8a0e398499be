-- How a session behaves. Time-outs are below the leases, so that what a dead client held is free
-- before somebody waits for it. Plans must not depend on statistics: pages cost next to nothing, so
-- that the fewest rows win, and the joins that read a table as a whole are off.
-- $1 statement_timeout, $2 lock_timeout and idle_in_transaction_session_timeout, in ms.
SELECT set_config('statement_timeout', $1::text, false),
       set_config('lock_timeout', $2::text, false),
       set_config('idle_in_transaction_session_timeout', $2::text, false),
       set_config('tcp_keepalives_idle', '5', false),
       set_config('tcp_keepalives_interval', '2', false),
       set_config('tcp_keepalives_count', '3', false),
       set_config('client_min_messages', 'warning', false),
       set_config('jit', 'off', false),
       set_config('plan_cache_mode', 'force_generic_plan', false),
       set_config('random_page_cost', '0.01', false),
       set_config('seq_page_cost', '0.01', false),
       set_config('enable_seqscan', 'off', false),
       set_config('enable_bitmapscan', 'off', false),
       set_config('enable_hashjoin', 'off', false),
       set_config('enable_mergejoin', 'off', false),
       set_config('max_parallel_workers_per_gather', '0', false);
