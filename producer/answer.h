/* Answers of the API: JSON bodies, members of them, and faults as problems. */
#pragma once

#include "common/problem.h"
#include "common/uuid.h"
#include "producer/producer.h"

#include <glib.h>
#include <libpq-fe.h>

/* Puts `body`. */
void answer_json(struct web_request *request, int status, struct json_object *body);
/* The same with the text of a value. Frees `body`. */
void answer_json_text(struct web_request *request, int status, GString *body);
void answer_text(struct web_request *request, int status, const char *text);

void answer_kafka_fault(struct web_request *request, const struct fault *fault);
void answer_database_fault(struct web_request *request, const struct fault *fault);

/* False, and the request is answered, where the database cannot be asked now. */
bool answer_has_database(struct producer *producer, struct web_request *request);

/* False, and the request is answered, where a query parameter is not one of these. */
bool answer_knows_parameters(struct web_request *request, const char *const *names, size_t count);

/* The 400 of one parameter. */
void answer_parameter(struct web_request *request, enum problem problem, const char *parameter,
                      const char *detail);

/* A query parameter from 1 to `most`. *ret is untouched where there is none; false: answered. */
bool answer_read_count(int *ret, struct web_request *request, const char *name, int most);

/* The version that the header If-Match names, "7" as the ETag has it. *ret is untouched where there
 * is none; false: the request is answered. */
bool answer_read_match(int *ret, struct web_request *request);

/* The path's {id}; false, and the request is answered 404, where it is no UUID. */
bool answer_read_id(struct uuid *ret, struct web_request *request);

/* Members. NULL texts and null columns become null. */
void put_text(struct json_object *to, const char *name, const char *text);
void put_int(struct json_object *to, const char *name, int64_t number);
void put_bool(struct json_object *to, const char *name, bool value);
void put_uuid(struct json_object *to, const char *name, const struct uuid *uuid);
void put_time(struct json_object *to, const char *name, int64_t unix_us);  /* INT64_MIN: null */
void put_json(struct json_object *to, const char *name, const char *json); /* the text of a value */
void put_text_of(struct json_object *to, const char *name, const PGresult *rows, int row,
                 int column);
void put_int_of(struct json_object *to, const char *name, const PGresult *rows, int row,
                int column);
void put_time_of(struct json_object *to, const char *name, const PGresult *rows, int row,
                 int column);
