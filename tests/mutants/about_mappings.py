"""Sabotages of judging a stack that is not ours: nothing is written there, and nothing guessed."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant, Replacement, integration, unit

FOREIGN: Final = "mapped_stacks/test_foreign_shop"

MAPPING_MUTANTS: Final = (
    Mutant(
        "M79",
        "a ledger that a mapping does not speak of counts as one that the stack does not have",
        (
            Replacement(
                "bookpayctl/judge/stacks/mapped.py",
                'nor says that it is absent", chosen=False)\n',
                'nor says that it is absent", chosen=True)\n',
            ),
        ),
        (
            unit(
                "judge/test_mapping",
                "test_what_a_mapping_says_is_absent_is_chosen_and_what_it_leaves_out_is_a_hole",
            ),
        ),
        (unit("judge/test_mapping", "test_the_smallest_mapping_has_a_name_and_orders"),),
    ),
    Mutant(
        "M80",
        "a SELECT of a mapping may write into the database that it is to read",
        (
            Replacement(
                "bookpayctl/clients/read_only.py",
                "        conn.read_only = True\n",
                "        conn.read_only = False\n",
            ),
            Replacement(
                "bookpayctl/clients/read_only.py",
                'if value(conn, "SHOW transaction_read_only") != "on":',
                'if value(conn, "SHOW transaction_read_only") is None:',
            ),
        ),
        (integration(FOREIGN, "test_a_mapping_that_does_not_fit_is_named_and_touches_nothing"),),
        (
            integration(
                FOREIGN,
                "test_a_healthy_shop_of_others_holds_and_what_it_lacks_is_said_first",
            ),
        ),
    ),
    Mutant(
        "M81",
        "what reads Stripe's lists can also write there",
        (
            Replacement(
                "bookpayctl/clients/stripe_api.py",
                """        if request.method != "GET":
""",
                """        if not request.method:
""",
            ),
        ),
        (
            unit(
                "clients/test_stripe_reading", "test_whatever_is_no_get_is_refused_before_it_leaves"
            ),
        ),
        (
            unit(
                "clients/test_stripe_reading",
                "test_a_restricted_live_key_may_read_stripe_when_that_is_asked_for",
            ),
        ),
    ),
    Mutant(
        "M82",
        "a column that a mapping leaves out is taken for NULL by rules that cannot do without it",
        (
            Replacement(
                "bookpayctl/judge/evaluation.py",
                """        if column in absent:
""",
                """        if column in absent and not absent[column].chosen:
""",
            ),
        ),
        (unit("judge/test_evaluation", "test_what_needs_a_column_that_nobody_gives_is_not_asked"),),
        (
            unit(
                "judge/test_evaluation",
                "test_a_table_that_a_stack_does_without_is_asked_as_empty_and_that_is_said",
            ),
        ),
    ),
    Mutant(
        "M83",
        "a word of a state that nobody translated passes for one that means nothing",
        (
            Replacement(
                "bookpayctl/judge/mapping/columns.py",
                """    return _Read(value, f"({text} IS NOT NULL AND ({text} IN ({listed})) IS NOT TRUE)")
""",
                """    return _Read(value)
""",
            ),
        ),
        (integration(FOREIGN, "test_a_word_that_nobody_translated_is_named_and_makes_unknown"),),
        (
            integration(
                FOREIGN,
                "test_a_healthy_shop_of_others_holds_and_what_it_lacks_is_said_first",
            ),
        ),
    ),
    Mutant(
        "M110",
        "a broker's certificate is taken for whatever name it is, on every way of this tool's own",
        (
            Replacement(
                "bookpayctl/clients/kafka_servers.py",
                'if security.get("ssl.endpoint.identification.algorithm", "https") == "none":\n',
                "if security:\n",
            ),
        ),
        (
            integration(
                "mapped_stacks/test_secured_kafka",
                "test_on_the_way_into_a_cluster_the_certificate_is_held_against_the_brokers_own_name",
            ),
        ),
        (
            integration(
                "mapped_stacks/test_secured_kafka",
                "test_a_certificate_of_ours_is_shown_where_the_broker_asks_for_one",
            ),
        ),
    ),
    Mutant(
        "M111",
        "who reads the twin's journal takes its first page for all of it",
        (
            Replacement(
                "bookpayctl/clients/stripe_twin.py",
                '            if not page.get("has_more"):\n',
                '            if "has_more" in page:\n',
            ),
        ),
        (
            integration(
                "stripe_twin/test_twin_pages",
                "test_every_request_comes_once_while_others_are_made",
            ),
        ),
        (integration("stripe_twin/test_twin_pages", "test_a_page_says_whether_there_are_more"),),
    ),
    Mutant(
        "M112",
        "a value in Avro is read with a schema that leaves some of its bytes unread",
        (
            Replacement(
                "bookpayctl/judge/readers/avro.py",
                "        if rest.read(1):\n",
                "        if rest.closed:\n",
            ),
        ),
        (
            integration(
                "mapped_stacks/test_avro_log",
                "test_bytes_that_are_not_of_their_schema_are_never_guessed",
            ),
        ),
        (unit("judge/test_mapping", "test_the_smallest_mapping_has_a_name_and_orders"),),
    ),
    Mutant(
        "M113",
        "a value that could not be read counts as one that says nothing",
        (
            Replacement(
                "bookpayctl/judge/readers/mapped_log.py",
                "        return readable | {name: NOT_HELD for name",
                "        return readable | {name: None for name",
            ),
        ),
        (
            integration(
                "mapped_stacks/test_avro_log",
                "test_a_value_that_cannot_be_read_is_counted_and_what_rests_on_it_is_unknown",
            ),
        ),
        (
            integration(
                "mapped_stacks/test_avro_log", "test_a_log_in_avro_is_judged_like_one_in_json"
            ),
        ),
    ),
    Mutant(
        "M180",
        "a value in Protobuf is read with a schema that lacks some of its fields",
        (
            Replacement(
                "bookpayctl/judge/readers/protobuf.py",
                "    if len(UnknownFieldSet(message)):\n",
                "    if len(UnknownFieldSet(message)) < 0:\n",
            ),
        ),
        (
            integration(
                "mapped_stacks/test_protobuf_log",
                "test_bytes_that_are_not_of_their_message_are_never_guessed",
            ),
        ),
        (unit("judge/test_mapping", "test_the_smallest_mapping_has_a_name_and_orders"),),
    ),
    Mutant(
        "M181",
        "a value in Protobuf is read as the schema's first message, whichever it names",
        (
            Replacement(
                "bookpayctl/judge/readers/protobuf.py",
                "    return tuple(_number(rest) for _ in range(count))\n",
                "    return tuple(0 * _number(rest) for _ in range(count))\n",
            ),
        ),
        (
            integration(
                "mapped_stacks/test_protobuf_log",
                "test_a_message_is_found_by_its_place_in_the_schema",
            ),
        ),
        (unit("judge/test_mapping", "test_the_smallest_mapping_has_a_name_and_orders"),),
    ),
)
