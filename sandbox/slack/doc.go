// Package slack is for a simulated Slack: workspaces, people, channels, an app
// with a slash command and buttons. It signs and sends what people type and
// press to the app's callback URLs, and serves slack.com (chat.postMessage,
// chat.update) and hooks.slack.com (response_url) as strictly as it can.
//
// Behaviour follows the Slack API documentation: "Verifying requests from Slack",
// "Enabling interactivity with Slash Commands", "Handling user interaction",
// "Reference: Block Kit", "Rate limits". Where that is silent the simulator takes
// the worst case for a client; each such place says so.
//
// It must never import product code, and never send anything to an address that
// is not on loopback and was not registered.
package slack
