/* GET /api/v1/nodes and GET /api/v1/cluster: who is there, who is master, who was before. */
#include "common/mem.h"
#include "common/rows.h"
#include "producer/answer.h"

/* Columns of nodes.sql. */
enum node_column {
    NODE_ID,
    NODE_NAME,
    NODE_ROLE,
    NODE_VERSION,
    NODE_PID,
    NODE_QUEUES,
    NODE_TYPES,
    NODE_SLOTS,
    NODE_STARTED_AT,
    NODE_HEARTBEAT_AT,
    NODE_ALIVE,
    NODE_DEAD_AT,
    NODE_DEAD_REASON,
    NODE_MASTER,
    NODE_CREDITS,
    NODE_READ_UPTO,
    NODE_LOW,
};

/* Columns of cluster.sql. */
enum master_column {
    MASTER_HELD,
    MASTER_NODE,
    MASTER_OWNER,
    MASTER_EPOCH,
    MASTER_RENEWED_AT,
    MASTER_EXPIRES_AT,
    MASTER_LEFT_MS,
    MASTER_CONSUMERS,
    MASTER_EXECUTORS,
    MASTER_NOW,
};

/* Columns of terms.sql. */
enum term_column { TERM_EPOCH, TERM_NODE, TERM_OWNER, TERM_BEGAN_AT, TERM_ENDED_AT, TERM_REASON };

struct visit {
    struct producer *producer;
    struct web_request *request;
    struct json_object *body;
};

static void call_alive(struct visit *visit, enum query query, db_reply *reply)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_int8(&args, ALIVE_MS);
    db_call(visit->producer->db, query, &args, reply, visit);
}

static struct visit *visit_new(struct producer *producer, struct web_request *request)
{
    if (!answer_knows_parameters(request, NULL, 0) || !answer_has_database(producer, request))
        return NULL;
    return mem_new(struct visit, .producer = producer, .request = request,
                   .body = json_object_new_object());
}

/* False, and the visit is over, where it failed. */
static bool went_well(struct visit *visit, const struct fault *fault)
{
    if (!fault)
        return true;
    answer_database_fault(visit->request, fault);
    json_object_put(visit->body);
    free(visit);
    return false;
}

static void put_texts_of(struct json_object *to, const char *name, const PGresult *rows, int row,
                         int column)
{
    struct json_object *list = json_object_new_array();
    struct rows_array texts = rows_array(rows, row, column);

    for (int i = 0, count = texts.count; i < count; i++) {
        const char *text = rows_next(&texts);

        json_object_array_add(list, json_object_new_string_len(text, texts.length));
    }
    json_object_object_add(to, name, list);
}

/* Inbox numbers go beyond what a double holds exactly, so they are texts. */
static void put_wide(struct json_object *to, const char *name, const PGresult *rows, int row,
                     int column)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)rows_int(rows, row, column));
    put_text(to, name, rows_is_null(rows, row, column) ? NULL : text);
}

static struct json_object *render_node(const PGresult *rows, int row)
{
    struct json_object *node = json_object_new_object();
    struct uuid id = rows_uuid(rows, row, NODE_ID);

    put_uuid(node, "id", &id);
    put_text_of(node, "name", rows, row, NODE_NAME);
    put_text_of(node, "role", rows, row, NODE_ROLE);
    put_text_of(node, "version", rows, row, NODE_VERSION);
    put_int_of(node, "pid", rows, row, NODE_PID);
    put_texts_of(node, "queues", rows, row, NODE_QUEUES);
    put_texts_of(node, "types", rows, row, NODE_TYPES);
    put_int_of(node, "slots", rows, row, NODE_SLOTS);
    put_time_of(node, "started_at", rows, row, NODE_STARTED_AT);
    put_time_of(node, "heartbeat_at", rows, row, NODE_HEARTBEAT_AT);
    put_bool(node, "alive", rows_bool(rows, row, NODE_ALIVE));
    put_time_of(node, "dead_at", rows, row, NODE_DEAD_AT);
    put_text_of(node, "dead_reason", rows, row, NODE_DEAD_REASON);
    put_bool(node, "master", rows_bool(rows, row, NODE_MASTER));
    put_int_of(node, "credits", rows, row, NODE_CREDITS);
    put_wide(node, "read_upto", rows, row, NODE_READ_UPTO);
    put_wide(node, "low", rows, row, NODE_LOW);
    return node;
}

static void on_nodes(void *data, const PGresult *rows, const struct fault *fault)
{
    struct visit *visit = data;
    struct json_object *items;

    if (!went_well(visit, fault))
        return;
    items = json_object_new_array();
    for (int i = 0; i < PQntuples(rows); i++)
        json_object_array_add(items, render_node(rows, i));
    json_object_object_add(visit->body, "items", items);
    answer_json(visit->request, 200, visit->body);
    free(visit);
}

void cluster_nodes(struct web_request *request, void *data)
{
    struct visit *visit = visit_new(data, request);

    if (visit)
        call_alive(visit, QUERY_NODES, on_nodes);
}

static struct json_object *render_term(const PGresult *rows, int row)
{
    struct json_object *term = json_object_new_object();
    struct uuid owner = rows_uuid(rows, row, TERM_OWNER);

    put_int_of(term, "epoch", rows, row, TERM_EPOCH);
    put_uuid(term, "owner", &owner);
    put_text_of(term, "node", rows, row, TERM_NODE);
    put_time_of(term, "began_at", rows, row, TERM_BEGAN_AT);
    put_time_of(term, "ended_at", rows, row, TERM_ENDED_AT);
    put_text_of(term, "reason", rows, row, TERM_REASON);
    return term;
}

static void on_terms(void *data, const PGresult *rows, const struct fault *fault)
{
    struct visit *visit = data;
    struct json_object *terms;

    if (!went_well(visit, fault))
        return;
    terms = json_object_new_array();
    for (int i = 0; i < PQntuples(rows); i++)
        json_object_array_add(terms, render_term(rows, i));
    json_object_object_add(visit->body, "terms", terms);
    answer_json(visit->request, 200, visit->body);
    free(visit);
}

/* NULL where nobody holds the lease. */
static struct json_object *render_master(const PGresult *rows)
{
    struct json_object *master;
    struct uuid owner = rows_uuid(rows, 0, MASTER_OWNER);

    if (!rows_bool(rows, 0, MASTER_HELD))
        return NULL;
    master = json_object_new_object();
    put_text_of(master, "node", rows, 0, MASTER_NODE);
    put_uuid(master, "owner", &owner);
    put_int_of(master, "epoch", rows, 0, MASTER_EPOCH);
    put_time_of(master, "renewed_at", rows, 0, MASTER_RENEWED_AT);
    put_time_of(master, "lease_expires_at", rows, 0, MASTER_EXPIRES_AT);
    put_int_of(master, "lease_left_ms", rows, 0, MASTER_LEFT_MS);
    return master;
}

static void on_cluster(void *data, const PGresult *rows, const struct fault *fault)
{
    struct visit *visit = data;
    struct json_object *nodes;

    if (!went_well(visit, fault))
        return;
    nodes = json_object_new_object();
    put_int_of(nodes, "consumers", rows, 0, MASTER_CONSUMERS);
    put_int_of(nodes, "executors", rows, 0, MASTER_EXECUTORS);
    json_object_object_add(visit->body, "master", render_master(rows));
    json_object_object_add(visit->body, "nodes", nodes);
    put_time_of(visit->body, "now", rows, 0, MASTER_NOW);
    put_text(visit->body, "kafka_cluster", bus_cluster(visit->producer->bus));
    db_call(visit->producer->db, QUERY_TERMS, NULL, on_terms, visit);
}

void cluster_show(struct web_request *request, void *data)
{
    struct visit *visit = visit_new(data, request);

    if (visit)
        call_alive(visit, QUERY_CLUSTER, on_cluster);
}
