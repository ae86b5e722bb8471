/*
 * Groups. A ROOM is the address of a group without parameters (sip:g-1@domain).
 *
 * commands                            events
 *   create SUBJECT ADDRESS…             room ROOM STATE SUBJECT      (of any room that changes its state)
 *   pair ADDRESS                        change ROOM WHAT ADDRESS SUBJECT
 *   say ROOM TEXT…                      said ROOM FROM MARK TEXT     (reply, forward or -)
 *   reply ROOM TEXT…  (to the newest)   roster ROOM SUBJECT me=0|1 ADDRESS=0|1…   (1: administrator)
 *   forward ROOM ROOM (the newest)      history ROOM TIME FROM out|in STATE MARK TEXT, history ROOM end
 *                                       unread ROOM COUNT
 *   subject ROOM TEXT…
 *   add|remove|promote|demote ROOM ADDRESS
 *   leave ROOM
 *   typing ROOM, seen ROOM
 *   roster ROOM, history ROOM, unread ROOM
 *
 * The subject of create is one word.
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* address_of returns the address of a room without parameters, to be freed. */
static char *address_of(LinphoneChatRoom *room) {
	const LinphoneAddress *full = linphone_chat_room_get_conference_address(room);
	if (!full) full = linphone_chat_room_get_peer_address(room);
	if (!full) return strdup("");
	LinphoneAddress *bare = linphone_address_clone(full);
	linphone_address_clean(bare);
	char *text = linphone_address_as_string_uri_only(bare);
	char *copy = strdup(text);
	ms_free(text);
	linphone_address_unref(bare);
	return copy;
}

static LinphoneChatRoom *find(const char *address) {
	for (const bctbx_list_t *l = linphone_core_get_chat_rooms(core); l; l = l->next) {
		LinphoneChatRoom *room = (LinphoneChatRoom *)l->data;
		char *own = address_of(room);
		int same = !strcmp(own, address) && (linphone_chat_room_get_capabilities(room) & LinphoneChatRoomCapabilitiesConference);
		free(own);
		if (same) return room;
	}
	return NULL;
}

static const char *subject_of(LinphoneChatRoom *room) {
	const char *subject = linphone_chat_room_get_subject(room);
	return subject ? subject : "";
}

/* ---- what happens ---- */

static const char *what(LinphoneEventLogType type) {
	switch (type) {
	case LinphoneEventLogTypeConferenceParticipantAdded: return "added";
	case LinphoneEventLogTypeConferenceParticipantRemoved: return "removed";
	case LinphoneEventLogTypeConferenceParticipantSetAdmin: return "promoted";
	case LinphoneEventLogTypeConferenceParticipantUnsetAdmin: return "demoted";
	case LinphoneEventLogTypeConferenceParticipantDeviceAdded: return "device";
	case LinphoneEventLogTypeConferenceParticipantDeviceRemoved: return "device-gone";
	case LinphoneEventLogTypeConferenceSubjectChanged: return "subject";
	case LinphoneEventLogTypeConferenceCreated: return "joined";
	case LinphoneEventLogTypeConferenceTerminated: return "left";
	default: return "other";
	}
}

static void on_change(LinphoneChatRoom *room, const LinphoneEventLog *log) {
	char *address = address_of(room);
	const LinphoneAddress *about = linphone_event_log_get_participant_address(log);
	if (!about) about = linphone_event_log_get_device_address(log);
	char *who = about ? linphone_address_as_string_uri_only(about) : NULL;
	const char *subject = linphone_event_log_get_subject(log);
	event("change\t%s\t%s\t%s\t%s", address, what(linphone_event_log_get_type(log)), who ? who : "", subject ? subject : "");
	if (who) ms_free(who);
	free(address);
}

static const char *mark_of(LinphoneChatMessage *message) {
	if (linphone_chat_message_is_forward(message)) return "forward";
	return linphone_chat_message_is_reply(message) ? "reply" : "-";
}

void on_room_message(LinphoneChatRoom *room, LinphoneChatMessage *message) {
	if (!(linphone_chat_room_get_capabilities(room) & LinphoneChatRoomCapabilitiesConference)) return;
	char *address = address_of(room);
	char *from = linphone_address_as_string_uri_only(linphone_chat_message_get_from_address(message));
	const char *text = linphone_chat_message_get_utf8_text(message);
	event("said\t%s\t%s\t%s\t%s", address, from, mark_of(message), text ? text : "");
	ms_free(from);
	free(address);
}

static const char *state_name(LinphoneChatRoomState state) {
	switch (state) {
	case LinphoneChatRoomStateInstantiated: return "instantiated";
	case LinphoneChatRoomStateCreationPending: return "pending";
	case LinphoneChatRoomStateCreated: return "created";
	case LinphoneChatRoomStateCreationFailed: return "failed";
	case LinphoneChatRoomStateTerminationPending: return "leaving";
	case LinphoneChatRoomStateTerminated: return "left";
	case LinphoneChatRoomStateTerminationFailed: return "stuck";
	case LinphoneChatRoomStateDeleted: return "deleted";
	default: return "none";
	}
}

void on_room(LinphoneCore *lc, LinphoneChatRoom *room, LinphoneChatRoomState state) {
	if (state == LinphoneChatRoomStateInstantiated) {
		LinphoneChatRoomCbs *callbacks = linphone_factory_create_chat_room_cbs(linphone_factory_get());
		linphone_chat_room_cbs_set_participant_added(callbacks, on_change);
		linphone_chat_room_cbs_set_participant_removed(callbacks, on_change);
		linphone_chat_room_cbs_set_participant_admin_status_changed(callbacks, on_change);
		linphone_chat_room_cbs_set_participant_device_added(callbacks, on_change);
		linphone_chat_room_cbs_set_participant_device_removed(callbacks, on_change);
		linphone_chat_room_cbs_set_subject_changed(callbacks, on_change);
		linphone_chat_room_cbs_set_conference_joined(callbacks, on_change);
		linphone_chat_room_cbs_set_conference_left(callbacks, on_change);
		linphone_chat_room_add_callbacks(room, callbacks);
		linphone_chat_room_cbs_unref(callbacks);
	}
	char *address = address_of(room);
	event("room\t%s\t%s\t%s", address, state_name(state), subject_of(room));
	free(address);
}

/* ---- what can be asked for ---- */

static void create(int group, const char *subject, char *rest) {
	LinphoneChatRoomParams *params = linphone_core_create_default_chat_room_params(core);
	linphone_chat_room_params_set_backend(params, LinphoneChatRoomBackendFlexisipChat);
	linphone_chat_room_params_enable_group(params, group);
	linphone_chat_room_params_enable_encryption(params, FALSE);
	linphone_chat_room_params_set_subject(params, subject);
	bctbx_list_t *members = NULL;
	for (char *word = strtok_r(NULL, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		members = bctbx_list_append(members, linphone_address_new(word));
	if (!linphone_core_create_chat_room_6(core, params, NULL, members)) event("error\tcannot create a room: is there a GRUU and a factory?");
	bctbx_list_free_with_data(members, (bctbx_list_free_func)linphone_address_unref);
	linphone_chat_room_params_unref(params);
}

static LinphoneChatMessage *newest(LinphoneChatRoom *room) { return linphone_chat_room_get_last_message_in_history(room); }

static void reply(LinphoneChatRoom *room, const char *text) {
	LinphoneChatMessage *to = newest(room);
	if (!to) {
		event("error\tnothing to reply to");
		return;
	}
	LinphoneChatMessage *message = linphone_chat_room_create_reply_message(room, to);
	linphone_chat_message_add_utf8_text_content(message, text);
	send_message(message);
}

static void forward(LinphoneChatRoom *from, const char *address) {
	LinphoneChatRoom *to = find(address);
	LinphoneChatMessage *message = newest(from);
	if (!to || !message) {
		event("error\tnothing to forward, or no room %s", address);
		return;
	}
	send_message(linphone_chat_room_create_forward_message(to, message));
}

static void add(LinphoneChatRoom *room, const LinphoneAddress *who) { linphone_chat_room_add_participant(room, who); }

static void change_member(LinphoneChatRoom *room, const char *command, const LinphoneAddress *who) {
	LinphoneParticipant *member = linphone_chat_room_find_participant(room, who);
	if (!member) event("error\tno such member");
	else if (!strcmp(command, "remove")) linphone_chat_room_remove_participant(room, member);
	else linphone_chat_room_set_participant_admin_status(room, member, !strcmp(command, "promote"));
}

static void roster(LinphoneChatRoom *room, const char *address) {
	char line[16384];
	size_t used = snprintf(line, sizeof line, "roster\t%s\t%s\tme=%d", address, subject_of(room),
	                       linphone_participant_is_admin(linphone_chat_room_get_me(room)));
	bctbx_list_t *members = linphone_chat_room_get_participants(room);
	for (const bctbx_list_t *l = members; l && used < sizeof line; l = l->next) {
		LinphoneParticipant *member = (LinphoneParticipant *)l->data;
		char *who = linphone_address_as_string_uri_only(linphone_participant_get_address(member));
		used += snprintf(line + used, sizeof line - used, "\t%s=%d", who, linphone_participant_is_admin(member));
		ms_free(who);
	}
	bctbx_list_free_with_data(members, (bctbx_list_free_func)linphone_participant_unref);
	event("%s", line);
}

static void history(LinphoneChatRoom *room, const char *address) {
	bctbx_list_t *messages = linphone_chat_room_get_history(room, 0);
	for (const bctbx_list_t *l = messages; l; l = l->next) {
		LinphoneChatMessage *message = (LinphoneChatMessage *)l->data;
		time_t at = linphone_chat_message_get_time(message);
		char when[32];
		strftime(when, sizeof when, "%FT%TZ", gmtime(&at));
		char *from = linphone_address_as_string_uri_only(linphone_chat_message_get_from_address(message));
		const char *text = linphone_chat_message_get_utf8_text(message);
		event("history\t%s\t%s\t%s\t%s\t%s\t%s\t%s", address, when, from, linphone_chat_message_is_outgoing(message) ? "out" : "in",
		      linphone_chat_message_state_to_string(linphone_chat_message_get_state(message)), mark_of(message), text ? text : "");
		ms_free(from);
	}
	bctbx_list_free_with_data(messages, (bctbx_list_free_func)linphone_chat_message_unref);
	event("history\t%s\tend", address);
}

/* obey_room returns 0 when the command is none of these. */
int obey_room(const char *command, char *rest) {
	static const char *known[] = {"create", "pair", "say", "reply", "forward", "subject", "add", "remove", "promote", "demote",
	                              "leave", "typing", "seen", "roster", "history", "unread"};
	size_t i = 0, count = sizeof known / sizeof *known;
	while (i < count && strcmp(command, known[i])) i++;
	if (i == count) return 0;
	if (!strcmp(command, "pair")) {
		create(0, "pair", rest);
		return 1;
	}
	char *word = strtok_r(NULL, " ", &rest);
	if (!word) return 0;
	if (!strcmp(command, "create")) {
		create(1, word, rest);
		return 1;
	}
	LinphoneChatRoom *room = find(word);
	if (!room) {
		event("error\tno room %s", word);
		return 1;
	}
	const char *text = rest ? rest : "";
	LinphoneAddress *who = NULL;
	if (!strcmp(command, "say")) send_message(linphone_chat_room_create_message_from_utf8(room, text));
	else if (!strcmp(command, "reply")) reply(room, text);
	else if (!strcmp(command, "forward")) forward(room, text);
	else if (!strcmp(command, "subject")) linphone_chat_room_set_subject(room, text);
	else if (!strcmp(command, "leave")) linphone_chat_room_leave(room);
	else if (!strcmp(command, "typing")) linphone_chat_room_compose(room);
	else if (!strcmp(command, "seen")) linphone_chat_room_mark_as_read(room);
	else if (!strcmp(command, "roster")) roster(room, word);
	else if (!strcmp(command, "history")) history(room, word);
	else if (!strcmp(command, "unread")) event("unread\t%s\t%d", word, linphone_chat_room_get_unread_messages_count(room));
	else if (!(who = linphone_address_new(text))) event("error\tnot an address: %s", text);
	else if (!strcmp(command, "add")) add(room, who);
	else change_member(room, command, who);
	if (who) linphone_address_unref(who);
	return 1;
}
