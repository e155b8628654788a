"""Which tests run when. A test that is in no table runs in ``ops/test``, and has the platform to
itself while it does.
"""

from __future__ import annotations

SHARE = {
    "browser": {"test_studio_recovery.py"},
    "end_to_end": {
        "test_app_view.py",
        "test_build_cache.py",
        "test_doctor.py",
        "test_exposure.py",
        "test_hostile_builds.py",
        "test_image_registry.py",
        "test_isolation.py",
        "test_many_releases.py",
        "test_metrics.py",
        "test_nodes.py",
        "test_packages.py",
        "test_trace.py",
        "test_workspace.py",
        "test_workspace_isolation.py",
        "test_workspace_runs.py",
        "test_workspace_terminal.py",
    },
}
"""Packages whose tests keep to a user of their own and notice nothing of others, so that two of them
may run at once; and the modules in them that take parts of the platform away, fill what all share, or
measure."""

FIRST = {
    "browser/test_studio_journey.py",
}
"""Modules that take longest: begun first, so that at the end no process waits for another's."""

LONG: dict[str, set[str]] = {
    "activities/test_mongo.py": {
        "test_a_database_of_many_collections_is_dropped",
    },
    "api/test_ownership.py": {
        "test_a_foreign_release_cannot_be_rolled_to",
    },
    "browser/attacks/test_reach.py": {
        "test_no_cookie_of_the_studio_is_planted[VS Code]",
        "test_no_cookie_of_the_studio_is_planted[live app]",
        "test_no_terminal_is_opened[VS Code]",
        "test_no_terminal_is_opened[live app]",
        "test_the_api_is_not_to_be_used_with_the_visitors_credentials[VS Code]",
        "test_the_api_is_not_to_be_used_with_the_visitors_credentials[live app]",
        "test_the_session_is_not_to_be_read[VS Code]",
        "test_the_session_is_not_to_be_read[live app]",
        "test_the_studio_is_neither_framed_nor_held_by_who_opened_it[VS Code]",
        "test_the_studio_is_neither_framed_nor_held_by_who_opened_it[live app]",
        "test_what_is_others_is_out_of_reach[VS Code]",
        "test_what_is_others_is_out_of_reach[live app]",
    },
    "browser/attacks/test_share_links.py": {
        "test_a_link_is_made_copied_and_withdrawn",
        "test_a_link_that_expired_shows_nothing",
    },
    "browser/attacks/test_texts.py": {
        "test_a_variable_that_cannot_be_one_is_refused_beside_its_field",
        "test_in_the_studio",
        "test_on_the_pages_of_an_app",
    },
    "browser/test_account.py": {
        "test_theme_and_language_are_remembered",
    },
    "browser/test_admin_view.py": {
        "test_placements_deployments_and_workspaces",
    },
    "browser/test_app_page.py": {
        "test_an_app_is_stopped_and_started",
        "test_documents_are_added_edited_and_deleted",
    },
    "browser/test_deploy_panel.py": {
        "test_a_log_that_is_not_there_is_not_asked_for_for_ever",
        "test_earlier_deployments_tell_what_they_were",
        "test_earlier_ones_stay_while_the_newest_are_looked_at_again",
        "test_how_it_stands_is_read_aloud",
        "test_one_that_was_chosen_after_the_session_ended_comes_with_the_next",
        "test_the_log_has_its_colours",
        "test_the_log_is_downloaded",
        "test_the_log_is_searched",
        "test_the_stages_tell_host_time_and_attempt",
        "test_what_is_new_since_the_release_before_and_what_was_taken_back",
    },
    "browser/test_deploy_stream.py": {
        "test_following_a_build_through_a_lost_connection",
    },
    "browser/test_forms.py": {
        "test_of_the_account_and_of_apps",
    },
    "browser/test_live_pages_look.py": {
        "test_each_page",
    },
    "browser/test_new_app_sources.py": {
        "test_from_a_git_repository",
        "test_from_a_zip",
    },
    "browser/test_pages.py": {
        "test_pages_of_a_person",
        "test_pages_of_an_administrator",
    },
    "browser/test_publish.py": {
        "test_a_build_is_cancelled_leaves_nothing_and_is_tried_again",
        "test_a_failure_is_explained_and_a_rollback_is_one_click",
        "test_from_a_template_to_the_public_address",
        "test_variables_are_kept_masked_and_shown_on_demand",
    },
    "browser/test_publish_keys.py": {
        "test_deploy_and_roll_back",
        "test_run_and_look_at_it",
    },
    "browser/test_refused_inputs.py": {
        "test_a_refusal_outlives_what_is_loaded_meanwhile",
        "test_beside_the_field_in_chinese",
        "test_in_the_studio",
    },
    "browser/test_studio_files.py": {
        "test_a_file_is_dragged_into_a_new_folder_which_is_deleted",
        "test_a_link_that_is_clicked_says_what_it_is",
        "test_files_are_uploaded_and_downloaded",
    },
    "browser/test_studio_git.py": {
        "test_a_change_is_looked_at_and_one_is_discarded",
        "test_an_earlier_commit_comes_back_as_a_new_one",
        "test_what_is_deployed_is_the_branch_that_is_worked_on",
    },
    "browser/test_studio_keys.py": {
        "test_a_file_is_written_committed_and_pushed_without_a_click",
        "test_a_terminal_is_a_real_one_and_comes_back",
    },
    "browser/test_studio_look.py": {
        "test_each_panel",
    },
    "browser/test_studio_preview.py": {
        "test_a_new_tab_has_a_ticket_of_its_own",
        "test_it_is_stopped_and_run_again",
        "test_the_bar_of_the_preview",
        "test_the_layout_is_remembered",
    },
    "browser/test_studio_recovery.py": {
        "test_streams_shells_and_texts_outlive_the_api",
    },
    "browser/test_studio_runs.py": {
        "test_a_refusal_is_told_where_the_preview_is_hidden",
        "test_a_stop_that_fails_is_told",
        "test_a_task_of_another_app_is_named_by_it",
        "test_an_app_with_nothing_to_run_is_no_failure",
        "test_another_task_takes_the_place_of_what_runs",
        "test_lines_that_are_gone_are_not_promised",
        "test_packages_are_installed_while_the_server_runs",
    },
    "browser/test_studio_uploads.py": {
        "test_a_folder_comes_without_what_is_made_anew",
        "test_two_drops_at_once_are_sent_one_after_the_other",
        "test_what_is_there_is_replaced_when_somebody_says_so",
        "test_what_is_too_much_and_what_cannot_be_read_is_said",
    },
    "browser/test_studio_writing.py": {
        "test_a_session_that_ended_takes_nothing_with_it",
        "test_names_and_words_of_any_kind",
        "test_two_tabs_write_one_file",
        "test_what_was_not_saved_is_offered_again",
    },
    "browser/test_terminals.py": {
        "test_a_reload_comes_back_to_the_shell_and_a_closed_tab_ends_it",
    },
    "browser/test_trouble_map.py": {
        "test_an_app_is_named_by_its_name_and_what_is_none_is_told_at_the_field",
    },
    "browser/test_vscode.py": {
        "test_elsewhere_a_link_may_lead_to_an_app_in_it_and_to_nothing_more",
        "test_it_ends_when_nobody_uses_it_and_comes_back_when_somebody_does",
        "test_it_ends_with_the_session_that_opened_it",
        "test_its_owner_works_in_it",
        "test_nobody_else_gets_to_it",
    },
    "chaos/test_kills.py": {
        "test_a_kill_in_the_middle",
    },
    "chaos/test_power_cut.py": {
        "test_a_power_cut_in_the_middle",
    },
    "chaos/test_up_and_down.py": {
        "test_up_may_be_killed_at_any_point_and_down_leaves_nothing",
    },
    "chaos/test_workspace_kills.py": {
        "test_a_push_arrives_and_the_dev_server_goes_on[api]",
        "test_a_push_arrives_and_the_dev_server_goes_on[control]",
        "test_a_push_arrives_and_the_dev_server_goes_on[temporal]",
        "test_a_push_arrives_and_the_dev_server_goes_on[workspace-87]",
        "test_a_start_is_carried_through[control]",
        "test_a_start_is_carried_through[workspace-87]",
        "test_an_install_ends_as_it_would_have[api]",
        "test_an_install_ends_as_it_would_have[control]",
        "test_an_install_ends_as_it_would_have[workspace-87]",
        "test_an_opening_is_carried_through[control]",
        "test_an_opening_is_carried_through[workspace-87]",
    },
    "end_to_end/test_app_view.py": {
        "test_a_database_that_is_away_is_no_fault_of_the_question",
        "test_the_figures_of_an_app_over_time",
        "test_what_changed_since_the_live_commit",
    },
    "end_to_end/test_bad_input.py": {
        "test_a_symlink_out_of_the_tree_leads_nowhere",
        "test_an_image_as_large_as_a_disk_is_refused",
        "test_cancel_of_an_ended_deployment_is_a_409",
        "test_environment_is_encrypted_masked_and_given_to_the_app",
        "test_from_another_users_image_is_refused",
        "test_two_deployments_at_the_same_instant_are_one",
    },
    "end_to_end/test_build_cache.py": {
        "test_the_cache_is_kept_below_its_setting",
    },
    "end_to_end/test_cli_publish.py": {
        "test_a_log_is_followed_over_releases_until_ctrl_c_or_a_stop",
        "test_a_variable_that_was_missing_is_set_and_the_deployment_retried",
        "test_only_a_release_that_is_live_is_a_success",
        "test_what_ctrl_c_leaves_goes_live_and_can_be_rolled_back",
        "test_what_runs_is_cancelled_by_the_name_of_its_app",
    },
    "end_to_end/test_cli_sign_in.py": {
        "test_a_password_is_changed_and_a_forgotten_one_given_anew",
        "test_what_is_not_there_is_named",
        "test_who_is_an_administrator_is_said_on_the_machine",
    },
    "end_to_end/test_database_limit.py": {
        "test_a_full_database_takes_nothing_more_until_something_is_deleted",
    },
    "end_to_end/test_deletion_meanwhile.py": {
        "test_an_app_deleted_in_the_middle_of_its_deployment",
    },
    "end_to_end/test_deletions.py": {
        "test_what_belongs_to_no_record_is_removed_from_a_workspace_node",
    },
    "end_to_end/test_doctor.py": {
        "test_the_command_line_sees_what_the_studio_cannot",
        "test_the_red_hops_are_those_that_are_stopped[servers beside the way]",
        "test_the_red_hops_are_those_that_are_stopped[workers of the hosts]",
    },
    "end_to_end/test_entry.py": {
        "test_a_body_that_fills_the_memory_is_refused_before_it_is_read",
        "test_no_app_can_fake_the_mark_that_verify_looks_for",
    },
    "end_to_end/test_hostile_builds.py": {
        "test_a_build_that_forks_without_end_is_held_and_cancelled",
        "test_a_build_that_prints_200_mb_fills_no_log",
        "test_a_file_of_300_mb_is_refused",
        "test_what_an_app_prints_carries_no_control_sequences",
    },
    "end_to_end/test_image_content.py": {
        "test_no_secret_is_in_an_image",
    },
    "end_to_end/test_image_registry.py": {
        "test_layers_of_a_deleted_app_are_collected",
        "test_when_it_was_collected_last_is_a_figure",
    },
    "end_to_end/test_imports.py": {
        "test_a_public_repository_becomes_an_app",
        "test_a_public_repository_by_command_line",
        "test_what_cannot_be_imported_says_why_and_may_be_tried_again",
    },
    "end_to_end/test_isolation.py": {
        "test_an_app_that_fills_the_disk_starts_anew_without_what_it_wrote",
    },
    "end_to_end/test_logs.py": {
        "test_a_deployment_can_be_followed_by_its_id",
        "test_no_secret_is_seen_anywhere",
    },
    "end_to_end/test_many_releases.py": {
        "test_a_pruned_release_cannot_be_made_live",
        "test_a_release_is_named_by_a_number",
        "test_no_more_than_three_releases_are_kept",
        "test_no_request_fails_over_many_deployments",
        "test_somebody_elses_release_cannot_be_made_live",
    },
    "end_to_end/test_metrics.py": {
        "test_a_held_build_slot_shows",
        "test_a_node_that_is_stopped_is_not_up",
        "test_deployments_and_their_stages_are_counted",
        "test_requests_are_counted_by_route_and_not_by_path",
    },
    "end_to_end/test_nodes.py": {
        "test_a_killed_worker_that_is_back_at_once_is_never_down",
        "test_a_missing_container_and_a_lost_route_are_repaired",
        "test_a_node_whose_workflow_was_terminated_is_known_again",
        "test_a_row_that_nobody_heard_of_is_taken_up",
        "test_a_terminated_deployment_is_cleaned_up",
        "test_what_belongs_to_nothing_is_removed",
    },
    "end_to_end/test_packages.py": {
        "test_builds_use_the_cache_too",
        "test_the_development_database_is_inside_and_kept",
        "test_the_second_install_asks_nobody_outside",
    },
    "end_to_end/test_publish.py": {
        "test_a_bad_release_never_harms_the_old_one[never healthy]",
        "test_a_bad_release_never_harms_the_old_one[wrong port]",
        "test_an_unchanged_tree_is_not_built_again",
        "test_cancel_in_the_middle_of_a_build[npm]",
        "test_rollback_and_stop_and_start",
    },
    "end_to_end/test_publish_again.py": {
        "test_a_busy_app_refuses_queues_or_lets_itself_be_superseded",
        "test_a_retry_starts_from_the_image_that_was_pushed",
        "test_what_is_queued_runs_when_its_turn_comes",
    },
    "end_to_end/test_repository_limit.py": {
        "test_a_push_beyond_the_limit_is_refused_in_gits_own_output",
        "test_it_is_told_on_the_page_too",
    },
    "end_to_end/test_share_links.py": {
        "test_a_guest_sees_what_runs_until_the_link_is_withdrawn",
    },
    "end_to_end/test_templates.py": {
        "test_a_template_is_developed_and_deployed_unchanged",
        "test_notes_are_kept_apart_in_development_and_in_public",
    },
    "end_to_end/test_trace.py": {
        "test_a_deployment_that_the_sweep_took_up_is_in_the_trace_of_its_request",
        "test_a_killed_control_goes_on_in_the_same_trace",
        "test_each_of_two_deployments_in_a_queue_has_its_own_trace",
        "test_nobody_chooses_the_trace_of_a_request",
        "test_one_trace_from_the_request_to_each_activity",
        "test_what_a_node_fetches_is_in_the_trace",
    },
    "end_to_end/test_workspace.py": {
        "test_a_closed_workspace_opens_when_its_owner_looks",
        "test_a_kill_while_it_opens_and_runs",
        "test_a_preview_ends_with_the_token_that_opened_it",
    },
    "end_to_end/test_workspace_cli.py": {
        "test_an_app_that_begins_with_what_is_elsewhere",
        "test_copy_there_and_back_and_push",
        "test_from_nothing_to_a_preview_that_others_see",
        "test_vs_code_at_an_address_of_its_own",
    },
    "end_to_end/test_workspace_files.py": {
        "test_a_file_of_any_size_passes_through_little_memory",
        "test_a_full_disk_says_so_and_can_be_emptied",
        "test_upload_and_download_of_what_is_large",
    },
    "end_to_end/test_workspace_git.py": {
        "test_pull_goes_forward",
        "test_what_was_not_committed_is_saved_before_a_workspace_stops",
    },
    "end_to_end/test_workspace_isolation.py": {
        "test_a_fork_bomb_ends_at_its_own_limit",
        "test_a_full_disk_is_the_users_own_and_can_be_cleared",
        "test_a_killed_agent_comes_back_by_itself",
        "test_watching_files_is_nothing_that_one_can_use_up_for_all",
    },
    "end_to_end/test_workspace_runs.py": {
        "test_a_worker_that_is_killed_finds_the_run_again",
        "test_the_last_five_logs_of_each_task_are_kept",
    },
    "shapes/test_engine_restart.py": {
        "test_an_open_workspace_outlives_its_engine",
    },
    "shapes/test_paths.py": {
        "test_a_server_answers_below_its_path",
        "test_a_vite_build_finds_its_assets_below_its_path",
        "test_an_app_is_told_its_path_when_it_is_built_and_when_it_runs",
        "test_vs_code_needs_a_name_of_its_own_and_the_refusal_says_so",
    },
    "shapes/test_two_nodes.py": {
        "test_a_build_goes_on_elsewhere_when_its_runner_is_lost",
        "test_an_app_stays_on_its_node_when_it_is_deployed_again",
        "test_builds_are_spread_over_the_slots_of_all_runners",
        "test_new_apps_go_to_different_runtimes_and_answer_from_there",
    },
    "shapes/test_two_workspace_nodes.py": {
        "test_a_host_runs_no_more_than_it_may",
        "test_a_node_that_is_down_says_so_and_its_users_come_back",
        "test_hot_reload_passes_below_a_path",
        "test_users_are_spread_and_stay_where_they_are",
    },
    "workflows/test_delete_user.py": {
        "test_each_part_that_fails_is_tried_until_it_is_gone",
    },
    "workflows/test_delete_user_apps.py": {
        "test_more_apps_than_slots_are_deleted",
    },
    "workflows/test_deploy.py": {
        "test_a_cancel_as_a_deployment_ends_has_one_of_two_ends",
        "test_a_cancel_of_a_deployment_that_just_ended_does_not_break_the_lock",
        "test_cancel_from_the_temporal_ui_takes_the_same_way[record_live]",
    },
    "workflows/test_deploy_hosts.py": {
        "test_a_build_whose_workflow_was_terminated_gives_back_slot_and_checkout",
        "test_a_runner_is_lost_while_what_runs_beside_is_tried_again",
        "test_a_runner_that_dies_before_it_could_say_so_is_left_for_another",
        "test_a_runtime_that_dies_in_the_health_stage_owes_the_undo_and_does_it_when_it_is_back",
    },
    "workflows/test_import.py": {
        "test_a_host_that_is_gone_is_named",
    },
    "workflows/test_node_heartbeat.py": {
        "test_what_cannot_be_done_keeps_nothing_else_from_it_nor_the_node_from_its_watch",
    },
    "workflows/test_workspace.py": {
        "test_a_node_that_has_just_died_is_said_within_seconds",
        "test_a_removed_workspace_leaves_nothing_and_is_not_brought_back",
        "test_a_worker_that_dies_while_it_opens_is_waited_for",
        "test_what_is_used_does_not_idle",
    },
}
"""Tests that only ``ops/test --all`` runs, and with it CI: each takes more than some five seconds, itself
or its fixtures, and what it shows is shown in part by a shorter one. A name stands for all its
parameters, or has them in brackets."""


def shares_the_platform(module: str) -> bool:
    """``module`` is a path below ``tests``."""
    package, _, name = module.partition("/")
    return package in SHARE and name not in SHARE[package]


def comes_first(module: str) -> bool:
    """``module`` is a path below ``tests``."""
    return module in FIRST


def is_long(module: str, test: str) -> bool:
    """``test`` is a function's name, perhaps with its parameters in brackets."""
    return not LONG.get(module, set()).isdisjoint({test, test.partition("[")[0]})
