"""What must hold of the compiled template."""

from __future__ import annotations

from typing import Final

from tests.support.aws.template_rules import functions, messages, monitoring, roles, storage
from tests.support.aws.template_rules.resources import Rule

RULES: Final[tuple[Rule, ...]] = (
    functions.functions_run_where_their_zips_do,
    functions.environment_is_what_settings_know,
    functions.api_answers_before_the_gateway_gives_up,
    functions.browsers_may_call_and_upload,
    functions.floods_are_bounded,
    messages.messages_rest_while_they_are_worked_on,
    functions.webhooks_end_before_the_notifier_does,
    functions.only_the_notifier_may_invoke_itself,
    messages.queues_have_dead_letters,
    messages.each_function_hears_its_events,
    functions.sockets_reach_the_api,
    functions.only_our_apis_call_the_api,
    messages.notices_are_not_repeated_for_long,
    messages.one_failure_fails_no_other,
    messages.queues_are_drained_no_faster_than_is_good,
    messages.a_poisoned_change_is_set_aside,
    messages.the_stream_is_on,
    messages.the_filter_passes_changed_and_deleted_blobs,
    storage.what_is_stored_outlives_the_stack,
    storage.records_can_be_brought_back,
    storage.records_expire,
    storage.the_table_has_its_keys,
    storage.connections_are_no_records,
    storage.everything_rests_encrypted,
    storage.no_bucket_is_public,
    storage.the_bucket_tidies_itself,
    storage.uploads_are_told_of,
    storage.only_the_bucket_sends_uploads,
    storage.nothing_goes_in_the_clear,
    roles.roles_are_narrow,
    roles.roles_are_each_functions_own,
    roles.roles_suffice_for_lambda_itself,
    monitoring.logs_end,
    functions.nothing_is_asked_of_the_deployer,
    monitoring.troubles_ring,
    monitoring.the_dashboard_shows_what_exists,
    monitoring.access_is_logged,
    monitoring.traces_can_be_sent,
    functions.versions_shift_and_return,
    storage.the_operators_key_encrypts_everything,
    functions.domains_lead_to_the_apis,
    functions.addresses_are_told,
)
