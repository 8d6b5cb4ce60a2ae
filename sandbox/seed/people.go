package seed

// human is a person to make: role names by app label. Whoever has apps of
// several identity providers exists in each of them, with the same login and
// password.
type human struct {
	login, password, first, last string
	tagged                       bool
	roles                        map[string][]string
}

func people() []human {
	return []human{
		{"ada@acme.example", "analytical-engine", "Ada", "Lovelace", true, map[string][]string{
			production: {"Administrator", "OnCall", "IncidentCommander", "payments-operator", "search-operator"},
			shared:     {"Administrator"},
			retail:     {"OnCall"},
			retailTest: {"Administrator", "ReadOnly"},
			data:       {"Administrator", "data-analyst"},
			partners:   {"Auditor"},
		}},
		{"grace@acme.example", "first-actual-bug", "Grace", "Hopper", true, map[string][]string{
			production: {"IncidentCommander"},
			shared:     {"build-operator", "build-developer", "ReadOnly"},
			data:       {"data-engineer"},
		}},
		{"katherine@acme.example", "check-the-numbers", "Katherine", "Johnson", false, map[string][]string{
			production: {"payments-operator"},
			shared:     {"ReadOnly"},
			retail:     {"ReadOnly", "stores-viewer"},
		}},
		{"margaret@acme.example", "priority-displays", "Margaret", "Hamilton", false, map[string][]string{
			production: {"data-engineer"},
			shared:     {"CertificateAdmin", "LogArchiveReader"},
		}},
		{"alan@acme.example", "imitation-game", "Alan", "Turing", false, map[string][]string{
			production: {"ReadOnly"},
		}},
		{"mary@acme.example", "dotted-lines", "Mary", "Jackson", false, map[string][]string{
			retail:     {"stores-operator"},
			retailTest: {"stores-operator", "stores-developer"},
		}},
		{"dorothy@acme.example", "fortran-manual", "Dorothy", "Vaughan", true, map[string][]string{
			partners: {"Uploader", "ReadOnly"},
		}},
	}
}
