/* What the parts of the driver share. */
#include <linphone/core.h>
#include <stdio.h>

extern LinphoneCore *core;

/* event prints one event. */
void event(const char *format, ...);

/* send_message sends a message and tells its name and states. */
void send_message(LinphoneChatMessage *message);

/* rooms.c */
void on_room_message(LinphoneChatRoom *room, LinphoneChatMessage *message);
void on_room(LinphoneCore *lc, LinphoneChatRoom *room, LinphoneChatRoomState state);
int obey_room(const char *command, char *rest);
