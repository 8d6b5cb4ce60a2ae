// Package slack is for the Slack app: the slash command /samlfailover and the
// buttons under a proposal. It checks that a request is Slack's and new, finds
// the person behind it, keeps what is to be done before it acknowledges, calls
// control's use cases, and tells what became of it in one message that is edited
// as things go on.
//
// It must never hold a rule: who may do what and whether anything moves is
// control's to say, in control's words. It must never say that something was
// done because somebody clicked: what it shows at the end is read back. It must
// never send anything to a host that is not Slack's.
//
// Sources: Slack API documentation, "Verifying requests from Slack", "Enabling
// interactivity with Slash Commands", "Handling user interaction", "Reference:
// Block Kit", "Formatting text for app surfaces".
package slack
