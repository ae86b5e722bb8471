/*
 * A liblinphone client without a screen, for tests.
 *
 *   driver RC-FILE LOG-FILE
 *
 * reads one command a line from standard input and prints one event a line:
 * words separated by tabs, the first one names the event. HOME must be a
 * directory of its own.
 *
 * commands                          events
 *   send ADDRESS TEXT…                sent ID
 *   compose ADDRESS                   registration STATE
 *   read ADDRESS                      message FROM CONTENT-TYPE TEXT
 *   cpim on|off                       state ID STATE           (of a message sent)
 *   call ADDRESS | answer | hangup    composing FROM 0|1
 *   video on|off    (of calls)        call STATE NUMBER TEXT   (the driver's first call is number 1)
 *   play FILE | record FILE           dtmf DIGIT
 *   dtmf DIGITS                       transfer STATE           (of a call we transfer)
 *   pause | resume                    stats KIND RECEIVED SENT LOST ENCRYPTION DECODED
 *   transfer ADDRESS | attend         ready, error TEXT
 *   stats
 *   network on|off
 *   refresh
 *   quit
 *
 * and what rooms.c knows of groups.
 */
#include "driver.h"

#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

LinphoneCore *core;
static FILE *log_file;
static int sent;
static long calls;
static int with_video;

void event(const char *format, ...) {
	va_list args;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static void write_log(const char *domain, BctbxLogLevel level, const char *format, va_list args) {
	fprintf(log_file, "%s %d ", domain, level);
	vfprintf(log_file, format, args);
	fputc('\n', log_file);
	fflush(log_file);
}

/* ---- what happens ---- */

static void on_registration(LinphoneCore *lc, LinphoneProxyConfig *proxy, LinphoneRegistrationState state, const char *text) {
	event("registration\t%s\t%s", linphone_registration_state_to_string(state), text ? text : "");
}

static void on_state(LinphoneChatMessage *message, LinphoneChatMessageState state) {
	event("state\t%s\t%s", (const char *)linphone_chat_message_get_user_data(message), linphone_chat_message_state_to_string(state));
}

static void on_message(LinphoneCore *lc, LinphoneChatRoom *room, LinphoneChatMessage *message) {
	char *from = linphone_address_as_string_uri_only(linphone_chat_message_get_from_address(message));
	const char *type = linphone_chat_message_get_content_type(message);
	const char *text = linphone_chat_message_get_utf8_text(message);
	event("message\t%s\t%s\t%s", from, type ? type : "", text ? text : "");
	ms_free(from);
	on_room_message(room, message);
}

static void on_composing(LinphoneCore *lc, LinphoneChatRoom *room) {
	char *peer = linphone_address_as_string_uri_only(linphone_chat_room_get_peer_address(room));
	event("composing\t%s\t%d", peer, linphone_chat_room_is_remote_composing(room));
	ms_free(peer);
}

static void on_call(LinphoneCore *lc, LinphoneCall *call, LinphoneCallState state, const char *text) {
	if (!linphone_call_get_user_data(call)) linphone_call_set_user_data(call, (void *)++calls);
	event("call\t%s\t%ld\t%s", linphone_call_state_to_string(state), (long)linphone_call_get_user_data(call), text ? text : "");
}

static void on_dtmf(LinphoneCore *lc, LinphoneCall *call, int digit) {
	event("dtmf\t%c", digit);
}

static void on_transfer(LinphoneCore *lc, LinphoneCall *call, LinphoneCallState state) {
	event("transfer\t%s", linphone_call_state_to_string(state));
}

/* ---- what can be asked for ---- */

static LinphoneChatRoom *room_with(const char *address) {
	LinphoneAddress *peer = linphone_address_new(address);
	if (!peer) return NULL;
	LinphoneChatRoomParams *params = linphone_core_create_default_chat_room_params(core);
	linphone_chat_room_params_set_backend(params, LinphoneChatRoomBackendBasic);
	bctbx_list_t *peers = bctbx_list_append(NULL, peer);
	LinphoneChatRoom *room = linphone_core_create_chat_room_6(core, params, NULL, peers);
	bctbx_list_free(peers);
	linphone_address_unref(peer);
	linphone_chat_room_params_unref(params);
	return room;
}

static void send_text(const char *address, const char *text) {
	LinphoneChatRoom *room = room_with(address);
	if (!room) {
		event("error\tno room with %s", address);
		return;
	}
	send_message(linphone_chat_room_create_message_from_utf8(room, text));
}

void send_message(LinphoneChatMessage *message) {
	char id[16];
	snprintf(id, sizeof id, "m%d", sent++);
	linphone_chat_message_set_user_data(message, strdup(id));
	LinphoneChatMessageCbs *callbacks = linphone_factory_create_chat_message_cbs(linphone_factory_get());
	linphone_chat_message_cbs_set_msg_state_changed(callbacks, on_state);
	linphone_chat_message_add_callbacks(message, callbacks);
	linphone_chat_message_ref(message);
	event("sent\t%s", id);
	linphone_chat_message_send(message);
}

static void set_cpim(int on) {
	LinphoneAccount *account = linphone_core_get_default_account(core);
	LinphoneAccountParams *params = linphone_account_params_clone(linphone_account_get_params(account));
	linphone_account_params_enable_cpim_in_basic_chat_room(params, on);
	linphone_account_set_params(account, params);
	linphone_account_params_unref(params);
}

static void call(const char *address) {
	LinphoneAddress *peer = linphone_address_new(address);
	LinphoneCallParams *params = linphone_core_create_call_params(core, NULL);
	linphone_call_params_enable_video(params, with_video);
	if (!peer || !linphone_core_invite_address_with_params(core, peer, params)) event("error\tcannot call %s", address);
	linphone_call_params_unref(params);
	if (peer) linphone_address_unref(peer);
}

static void answer(LinphoneCall *call) {
	LinphoneCallParams *params = linphone_core_create_call_params(core, call);
	linphone_call_params_enable_video(params, with_video);
	linphone_call_accept_with_params(call, params);
	linphone_call_params_unref(params);
}

static void print_stats(LinphoneCall *call, const char *kind, LinphoneStreamType type) {
	LinphoneCallStats *stats = linphone_call_get_stats(call, type);
	if (!stats) return;
	const rtp_stats_t *rtp = linphone_call_stats_get_rtp_stats(stats);
	const LinphoneCallParams *params = linphone_call_get_current_params(call);
	MSVideoSize size = {0, 0};
	if (type == LinphoneStreamTypeVideo) size = linphone_call_params_get_received_video_size(params);
	event("stats\t%s\t%llu\t%llu\t%lld\t%s\t%dx%d", kind, (unsigned long long)rtp->packet_recv, (unsigned long long)rtp->packet_sent, (long long)rtp->cum_packet_loss,
	      linphone_media_encryption_to_string(linphone_call_params_get_media_encryption(params)), size.width, size.height);
	linphone_call_stats_unref(stats);
}

/* attend joins the call on hold with the current one: an attended transfer. */
static void attend(LinphoneCall *current) {
	for (const bctbx_list_t *l = linphone_core_get_calls(core); l; l = l->next) {
		LinphoneCall *other = (LinphoneCall *)l->data;
		if (other == current) continue;
		if (linphone_call_transfer_to_another(other, current) != 0) event("error\tnot transferred");
		return;
	}
	event("error\tno other call");
}

static void obey(char *line) {
	char *rest = NULL;
	char *command = strtok_r(line, " ", &rest);
	if (!command) return;
	static const char *with_word[] = {"send", "compose", "read", "call", "cpim", "video", "play", "record", "dtmf", "transfer"};
	char *word = NULL;
	for (size_t i = 0; i < sizeof with_word / sizeof *with_word; i++)
		if (!strcmp(command, with_word[i])) word = strtok_r(NULL, " ", &rest);
	LinphoneCall *current = linphone_core_get_current_call(core);
	if (!current && linphone_core_get_calls(core)) current = (LinphoneCall *)linphone_core_get_calls(core)->data;

	if (!strcmp(command, "send") && word) send_text(word, rest ? rest : "");
	else if (!strcmp(command, "compose") && word) linphone_chat_room_compose(room_with(word));
	else if (!strcmp(command, "read") && word) linphone_chat_room_mark_as_read(room_with(word));
	else if (!strcmp(command, "cpim") && word) set_cpim(!strcmp(word, "on"));
	else if (!strcmp(command, "call") && word) call(word);
	else if (!strcmp(command, "answer") && current) answer(current);
	else if (!strcmp(command, "video") && word) with_video = !strcmp(word, "on");
	else if (!strcmp(command, "play") && word) linphone_core_set_play_file(core, word);
	else if (!strcmp(command, "record") && word) linphone_core_set_record_file(core, word);
	else if (!strcmp(command, "dtmf") && word && current) linphone_call_send_dtmfs(current, word);
	else if (!strcmp(command, "pause") && current) linphone_call_pause(current);
	else if (!strcmp(command, "resume") && current) linphone_call_resume(current);
	else if (!strcmp(command, "transfer") && word && current) linphone_call_transfer(current, word);
	else if (!strcmp(command, "attend") && current) attend(current);
	else if (!strcmp(command, "stats") && current) {
		print_stats(current, "audio", LinphoneStreamTypeAudio);
		print_stats(current, "video", LinphoneStreamTypeVideo);
	}
	else if (!strcmp(command, "hangup")) linphone_core_terminate_all_calls(core);
	else if (!strcmp(command, "network")) linphone_core_set_network_reachable(core, rest && !strcmp(rest, "on"));
	else if (!strcmp(command, "refresh")) linphone_core_refresh_registers(core);
	else if (!obey_room(command, rest)) event("error\tcannot do %s", command);
}

/* read_command returns 0 at the end of the input; a full line is obeyed. */
static int read_command(void) {
	static char line[65536];
	static size_t length;
	char c;
	ssize_t n = read(STDIN_FILENO, &c, 1);
	if (n <= 0) return 0;
	if (c != '\n') {
		if (length < sizeof line - 1) line[length++] = c;
		return 1;
	}
	line[length] = 0;
	length = 0;
	if (!strcmp(line, "quit")) return 0;
	obey(line);
	return 1;
}

int main(int argc, char **argv) {
	if (argc != 3 || !(log_file = fopen(argv[2], "w"))) {
		fprintf(stderr, "usage: driver RC-FILE LOG-FILE\n");
		return 2;
	}
	linphone_core_set_log_level_mask(ORTP_MESSAGE | ORTP_WARNING | ORTP_ERROR | ORTP_FATAL);
	linphone_core_set_log_handler((OrtpLogFunc)write_log);
	LinphoneFactory *factory = linphone_factory_get();
	core = linphone_factory_create_core_3(factory, argv[1], NULL, NULL);
	LinphoneCoreCbs *callbacks = linphone_factory_create_core_cbs(factory);
	linphone_core_cbs_set_registration_state_changed(callbacks, on_registration);
	linphone_core_cbs_set_message_received(callbacks, on_message);
	linphone_core_cbs_set_is_composing_received(callbacks, on_composing);
	linphone_core_cbs_set_call_state_changed(callbacks, on_call);
	linphone_core_cbs_set_dtmf_received(callbacks, on_dtmf);
	linphone_core_cbs_set_transfer_state_changed(callbacks, on_transfer);
	linphone_core_cbs_set_chat_room_state_changed(callbacks, on_room);
	linphone_core_add_callbacks(core, callbacks);
	linphone_core_set_use_files(core, TRUE); /* no sound card */
	if (linphone_core_start(core) != 0) {
		event("error\tthe core did not start");
		return 1;
	}
	event("ready");
	for (int open = 1; open;) {
		struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
		if (poll(&input, 1, 20) > 0) {
			do open = read_command(); while (open && poll(&input, 1, 0) > 0);
		}
		linphone_core_iterate(core);
	}
	linphone_core_stop(core);
	fflush(log_file);
	_exit(0); /* the library's own destructors are not what is tested */
}
