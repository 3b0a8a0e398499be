# Makes migrations.c of sql/migrations/NNNN_*.sql: number, name and text of each, in order.
# usage: awk -v source=migrations.c -f embed_migrations.awk sql/migrations/*.sql
FNR == 1 {
    if (open) print "    }," > source
    else print "#include \"common/migrate.h\"\n\nconst struct migration migrations[] = {" > source
    open = 1
    name = FILENAME
    sub(/.*\//, "", name)
    printf "    {%d, \"%s\",\n", substr(name, 1, 4) + 0, name > source
    count++
}
{
    line = $0
    gsub(/\\/, "\\\\", line)
    gsub(/"/, "\\\"", line)
    print "        \"" line "\\n\"" > source
}
END { print "    },\n};\n\nconst int migration_count = " count ";" > source }
