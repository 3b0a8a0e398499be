#include "producer/schedule_ask.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "producer/answer.h"
#include "producer/schedule_render.h"

static void on_read(void *data, const PGresult *rows, const struct fault *fault)
{
    struct schedule_asked *asked = data;
    struct schedule *schedule = NULL;

    if (fault)
        answer_database_fault(asked->request, fault);
    else if (rows_is_null(rows, 0, SCHEDULE_VERSION))
        problem_reply(asked->request, PROBLEM_NOT_FOUND, "there is no schedule %s", asked->name);
    else if (!(schedule = schedule_of(asked->name, rows_text(rows, 0, SCHEDULE_DEFINITION))))
        problem_reply(asked->request, PROBLEM_INTERNAL,
                      "the definition was written by another version of Rota");
    else
        asked->answer(asked, schedule, rows_time(rows, 0, SCHEDULE_NOW));
    schedule_free(schedule);
    free(asked->data);
    free(asked);
}

void schedule_ask(const struct schedule_asked *asked)
{
    SCOPED(scoped_args) struct args args = ARGS_INIT;

    args_text(&args, asked->name);
    args_null(&args);
    args_null(&args);
    args_null(&args);
    db_call(asked->producer->db, QUERY_SCHEDULE_READ, &args, on_read,
            memcpy(mem_new(struct schedule_asked, .name = ""), asked, sizeof *asked));
}
