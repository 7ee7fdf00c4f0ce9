// Package notify informs people and programs what happens to their domains, and asks
// programs before a switch begins. Its parts stand in the configuration's section
// notify: hooks, a webhook, mail, a heartbeat and an audit log.
//
// It promises:
//
//   - Only what asks for consent can keep anything from happening: a before_switch
//     hook that does not agree, and an audit log that can't be written, keep a switch
//     from beginning. Nothing is asked, or waited for, once a switch is under way.
//   - Everything else is done in the background. A full queue, a hook that hangs and
//     a server that is down are logged, and neither fail nor hold up a rotation.
//   - Each event is described by one Document: the hooks' standard input, the
//     webhook's body and a line of the audit log. Hooks have the same in DKIMBOT_
//     variables.
//   - No secret reaches a document, an environment, a mail or a log, also not the
//     address of the webhook, since whoever knows it can often speak in our name (I9).
//   - The same failure of a domain is reported once to webhook and mail, and again after
//     an hour, two hours, four and so on, up to a day, as long as it lasts.
//
// What is reported about a step that was just done is lost when the process is killed
// then; the history in the state is complete.
//
// It belongs to the command line (cmd) and may import everything below it.
package notify
