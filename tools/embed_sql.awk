# Makes queries.h and queries.c of sql/queries/*.sql: one enumerator and one text a file.
# usage: awk -v header=queries.h -v source=queries.c -f embed_sql.awk sql/queries/*.sql
FNR == 1 {
    name = FILENAME
    sub(/.*\//, "", name)
    sub(/\.sql$/, "", name)
    names[++count] = name
}
/^[ \t]*--/ || /^[ \t]*$/ { next }
{
    line = $0
    for (rest = line; match(rest, /\$[0-9]+/); rest = substr(rest, RSTART + RLENGTH)) {
        number = substr(rest, RSTART + 1, RLENGTH - 1) + 0
        if (number > parameters[name]) parameters[name] = number
    }
    gsub(/\\/, "\\\\", line)
    gsub(/"/, "\\\"", line)
    body[name] = body[name] "        \"" line "\\n\"\n"
}
END {
    print "/* Made from sql/queries by tools/embed_sql.awk. */\n#pragma once\n\nenum query {" > header
    for (i = 1; i <= count; i++) print "    QUERY_" toupper(names[i]) "," > header
    print "    QUERY_COUNT,\n};\n\nextern const struct query_text {\n    const char *name, *text;" > header
    print "    int parameters;\n} query_texts[QUERY_COUNT];" > header
    print "#include \"queries.h\"\n\nconst struct query_text query_texts[QUERY_COUNT] = {" > source
    for (i = 1; i <= count; i++)
        printf "    [QUERY_%s] = {\"%s\",\n%s        , %d},\n", toupper(names[i]), names[i], body[names[i]], parameters[names[i]] > source
    print "};" > source
}
