// Package sts is for the simulated STS, Regional and global (STS API
// Reference): AssumeRoleWithSAML, AssumeRole and GetCallerIdentity over the
// Query protocol.
//
// It must never issue credentials before every check has passed.
package sts
